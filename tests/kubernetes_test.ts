/**
 * examples/deploy/kubernetes.yaml is held against what the npm package kubernetes-models makes of
 * Kubernetes' own schemas: functions that look at every field they know.
 *
 * @module
 */
import process from "node:process";
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { parseAllDocuments } from "npm:yaml@^2.8.0";
import { ROOT } from "./support/process.ts";

// else what the package loads warns on stderr of what it uses
Object.assign(process, { noDeprecation: true });
const { Deployment } = await import("npm:kubernetes-models@5.1.0/apps/v1/Deployment");
const { Service } = await import("npm:kubernetes-models@5.1.0/v1/Service");
const MODELS: Record<string, { prototype: { validate(): void } }> = { Deployment, Service };

/** The objects that a text describes. */
function objectsIn(text: string) {
  return parseAllDocuments(text).map((document) => {
    assertEquals([...document.errors, ...document.warnings], []);
    return document.toJS();
  });
}

/** A copy whose fields, and those of what is in it, are struck out of `unread` as they are read. */
function watched<T extends object>(object: T, unread: Set<string>, path = ""): T {
  const copy = (Array.isArray(object) ? [] : {}) as T;
  for (const [name, value] of Object.entries(object)) {
    const here = `${path}/${name}`;
    const given = typeof value === "object" ? watched(value, unread, here) : value;
    unread.add(here);
    const get = () => (unread.delete(here), given);
    Object.defineProperty(copy, name, { get, enumerable: true });
  }
  return copy;
}

/** What is wrong with the objects that a text describes: a value, or fields that nobody reads. */
function faultsIn(text: string): string {
  const unread = new Set<string>();
  try {
    for (const object of objectsIn(text)) {
      MODELS[object.kind]!.prototype.validate.call(watched(object, unread));
    }
  } catch (error) {
    return (error as Error).message;
  }
  return [...unread].join(" ");
}

Deno.test("examples/deploy/kubernetes.yaml has the fields and types that Kubernetes has", async () => {
  const example = await Deno.readTextFile(`${ROOT}examples/deploy/kubernetes.yaml`);
  assertEquals(faultsIn(example), "");
  /** Fails unless this is wrong, in this way. */
  const assertWrong = (from: string, to: string, fault: RegExp) => {
    assert(example.includes(from));
    assertMatch(faultsIn(example.replace(from, to)), fault);
  };
  assertWrong("timeoutSeconds:", "timeoutSecond:", /\/startupProbe\/timeoutSecond\b/);
  assertWrong("containerPort:", "containerport:", /must have required property containerPort$/);
  assertWrong("replicas: 2", "replicas: two", /\/replicas must be integer$/);
  assertWrong('value: "64"', "value: 64", /\/value must be string$/);
  assertWrong("targetPort:", "targetport:", /^\/spec\/ports\/0\/targetport$/);
  assertWrong("port: 9999", "port: '9999'", /\/port must be integer$/);
});
