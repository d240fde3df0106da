/**
 * The house in order: what may know what, and in which order a file is read.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { withOptionTables } from "./support/option_table.ts";
import { ROOT } from "./support/process.ts";
import { parseSource } from "./support/source.ts";

const SCRIPTS = ["fetch.ts", "server.ts", "client.ts"];

const PROTOCOL = [...Deno.readDirSync(`${ROOT}protocol`)].map(({ name }) => `protocol/${name}`);

const ALL = ["mod.ts", ...SCRIPTS, ...PROTOCOL].map((path) =>
  parseSource(path, Deno.readTextFileSync(`${ROOT}${path}`))
);

const MOD = ALL[0]!;

Deno.test("layout: mod.ts knows no HTTP, no greeting and no file", () => {
  assertEquals(MOD.imports.filter((specifier) => !specifier.startsWith("jsr:@std/")), []);
  const words = /\b(https?:|headers?\b|fetch\b|chunk|cookie|welcome|hello|exit!)/i;
  assertEquals(MOD.names.filter((name) => words.test(name)), []);
  const granted = [
    ...["addSignalListener", "args", "build", "Conn", "errors", "exit", "mainModule", "NetAddr"],
    ...["Signal", "stderr", "stdout", "version"],
  ];
  assertEquals(MOD.denoNames.filter((name) => !granted.includes(name)), []);
});

Deno.test("layout: protocol/ does not touch the world", () => {
  const globals = ["Deno", "fetch", "setTimeout", "setInterval", "performance", "localStorage"];
  for (const { path, globalNames } of ALL.filter(({ path }) => PROTOCOL.includes(path))) {
    assertEquals(globalNames.filter((name) => globals.includes(name)), [], path);
  }
});

Deno.test("layout: a file of protocol/ has at most 400 lines, and tests of its name", () => {
  for (const { path, lines } of ALL.filter(({ path }) => PROTOCOL.includes(path))) {
    assert(lines <= 400, `${path} has ${lines} lines`);
    const { isFile } = Deno.statSync(`${ROOT}tests/${path.replace(/\.ts$/, "_test.ts")}`);
    assert(isFile, path);
  }
});

Deno.test("layout: imports go from a script to protocol/ to mod.ts, and never back", () => {
  const outside = /^(jsr:@std\/|node:|npm:)/;
  for (const { path, imports } of ALL) {
    const allowed = SCRIPTS.includes(path)
      ? /^\.\/(mod|protocol\/\w+)\.ts$/
      : /^(\.\.\/mod|\.\/\w+)\.ts$/;
    const others = imports.filter((specifier) => !outside.test(specifier));
    assertEquals(others.filter((specifier) => !allowed.test(specifier)), [], path);
  }
  assertEquals(MOD.imports.filter((specifier) => !outside.test(specifier)), []);
});

Deno.test("layout: no two files of protocol/ import each other, in any circle", () => {
  const uses = new Map(ALL.map(({ path, imports }) => [
    path,
    imports.filter((to) => /^\.\/\w+\.ts$/.test(to)).map((to) => to.replace("./", "protocol/")),
  ]));
  const visit = (path: string, from: string[]): void => {
    assert(!from.includes(path), [...from, path].join(" → "));
    for (const next of uses.get(path) ?? []) visit(next, [...from, path]);
  };
  for (const path of PROTOCOL) visit(path, []);
});

Deno.test("layout: a script loads @std when it is needed, and no node: module before", () => {
  for (const { path, staticImports } of ALL) {
    assertEquals(staticImports.filter((specifier) => !specifier.startsWith(".")), [], path);
  }
});

Deno.test("layout: no section uses what stands in a later one, types aside", () => {
  for (const { path, sections, references } of ALL) {
    if (!PROTOCOL.includes(path)) assert(sections.length > 3, `${path} has no banners`);
    const sectionOf = (line: number) => sections.findLast(({ line: begin }) => begin < line);
    const later = references.filter(({ from, to }) => {
      const there = sectionOf(to);
      return there !== undefined && there.line > from;
    });
    const shown = later.map(({ name, from, to }) => `${name}, line ${from} → ${to}`);
    assertEquals(shown, [], path);
  }
});

Deno.test("layout: the module doc of fetch.ts is the map of its sections, in their order", () => {
  const [fetch] = ALL.filter(({ path }) => path === "fetch.ts");
  const { doc, sections } = fetch!;
  const map = [...doc.matchAll(/^ \* (\d)\. (.*?): /gm)].map(([, number, title]) =>
    `${number}. ${title}`
  );
  const last = doc.match(/^ \* \d\. The command line\.$/m)?.[0].slice(3, -1);
  assertEquals(
    [...map, last],
    sections.map(({ title }, at) => `${at + 1}. ${title}`),
  );
});

Deno.test("layout: a function has at most 60 lines and five parameters", () => {
  for (const { path, functions } of ALL) {
    const large = functions.filter(({ lines, parameters }) => lines > 60 || parameters > 5);
    assertEquals(large, [], path);
  }
});

Deno.test("README.md has the options of --help (tests/support/option_table.ts writes them)", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  assertEquals(await withOptionTables(readme), readme);
});
