/**
 * The assertions that the tests use.
 *
 * @module
 */
import { assert as assertUntyped } from "npm:deno-std@1.4.0/assert/assert.js";
import { assertEquals as assertEqualsUntyped } from "npm:deno-std@1.4.0/assert/equals.js";
import { assertMatch as assertMatchUntyped } from "npm:deno-std@1.4.0/assert/match.js";
import { assertRejects as assertRejectsUntyped } from "npm:deno-std@1.4.0/assert/rejects.js";
import { assertStringIncludes as assertStringIncludesUntyped } from "npm:deno-std@1.4.0/assert/string_includes.js";
import { assertThrows as assertThrowsUntyped } from "npm:deno-std@1.4.0/assert/throws.js";

// deno-lint-ignore no-explicit-any
type ErrorClass<E> = abstract new (...args: any[]) => E;

/** Fails unless `expr` is truthy. */
export const assert: (expr: unknown, msg?: string) => asserts expr = assertUntyped;

/** Fails unless both are deeply equal. */
export const assertEquals: <T>(actual: T, expected: T, msg?: string) => void = assertEqualsUntyped;

/** Fails unless `expected` matches `actual`. */
export const assertMatch: (
  actual: string,
  expected: RegExp,
  msg?: string,
) => void = assertMatchUntyped;

/** Fails unless `expected` is part of `actual`. */
export const assertStringIncludes: (
  actual: string,
  expected: string,
  msg?: string,
) => void = assertStringIncludesUntyped;

/** Fails unless `fn` throws such an error, and returns it. */
export const assertThrows: <E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
) => E = assertThrowsUntyped;

/** Fails unless `fn` rejects with such an error, and returns it. */
export const assertRejects: <E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
) => Promise<E> = assertRejectsUntyped;
