/**
 * What must fail, and how.
 *
 * @module
 */
import { assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@^1.0.0";
import { HttpResponse } from "../../fetch.ts";
import { TrioError } from "../../mod.ts";

/** Fails unless `act` throws a `TrioError` with this exit code, and a message that has `text`. */
export function throwsWith(code: number, act: () => unknown, text?: string) {
  assertEquals(assertThrows(act, TrioError, text).code, code);
}

/** Fails unless `pending` rejects with this exit code, and a message that has `text`. */
export async function rejectsWith(
  code: number,
  pending: Promise<unknown>,
  text = "",
): Promise<TrioError> {
  try {
    const value = await pending;
    if (value instanceof HttpResponse) value.close();
  } catch (error) {
    if (!(error instanceof TrioError)) throw error;
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, text);
    return error;
  }
  throw new Error(`no failure, ${code} was expected`);
}
