/**
 * examples/deploy/kubernetes.yaml is held against the types that the npm package kubernetes-models
 * makes of Kubernetes' own schemas: the compiler knows every field, and what it takes.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { parseAllDocuments } from "npm:yaml@^2.8.0";
import { Folder } from "./support/folder.ts";
import { ROOT, run } from "./support/process.ts";

const IMPORTS = `
import type { IDeployment } from "npm:kubernetes-models@5.1.0/apps/v1/Deployment";
import type { IService } from "npm:kubernetes-models@5.1.0/v1/Service";
`;

/** The objects that a text describes, as constants of their types, a line each. */
function typed(text: string): string[] {
  return parseAllDocuments(text).map((document) => {
    assertEquals([...document.errors, ...document.warnings], []);
    const object = document.toJS();
    assert(["Deployment", "Service"].includes(object.kind));
    return `(${JSON.stringify(object)}) satisfies I${object.kind};`;
  });
}

Deno.test("examples/deploy/kubernetes.yaml has the fields and types that Kubernetes has", async () => {
  const example = await Deno.readTextFile(`${ROOT}examples/deploy/kubernetes.yaml`);
  /** What the compiler has to find wrong, in the first object or the second. */
  const wrong = (at: 0 | 1, from: string, to: string) => {
    assert(example.includes(from));
    return `// @ts-expect-error: ${to}\n${typed(example.replace(from, to))[at]}`;
  };
  await using folder = new Folder("kubernetes");
  const file = folder.file("objects.ts");
  const lines = [
    ...typed(example),
    wrong(0, "timeoutSeconds:", "timeoutSecond:"),
    wrong(0, "containerPort:", "containerport:"),
    wrong(0, "replicas: 2", "replicas: two"),
    wrong(0, 'value: "64"', "value: 64"),
    wrong(1, "targetPort:", "targetport:"),
    wrong(1, "port: 9999", "port: '9999'"),
  ];
  await Deno.writeTextFile(file, IMPORTS + lines.join("\n"));
  // without the types of Deno, which nothing here needs, it takes a third of the time
  const config = folder.write("deno.json", `{ "compilerOptions": { "lib": ["esnext"] } }`);
  const { code, stderr } = await run(Deno.execPath(), ["check", "--config", config, file]);
  assertEquals(code, 0, stderr);
});
