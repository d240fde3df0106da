/**
 * The tutorial's two pages tell the same story with the same programs, and those are the files of
 * docs/steps/.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { ROOT } from "../support/process.ts";
import { PAGES, type Part, programs, readPage, STEPS, withoutComments } from "./pages.ts";

/** The most lines of a step: a screen. */
const SCREEN = 40;

Deno.test("a step has 40 lines at most, and its first says what it needs", async () => {
  for (const name of programs()) {
    const text = await Deno.readTextFile(STEPS + name);
    assert(text.trimEnd().split("\n").length <= SCREEN, `${name} is longer than ${SCREEN} lines`);
    const first = name.endsWith(".py")
      ? /^#!\/usr\/bin\/env python3\n# /
      : /^#!\/usr\/bin\/env -S deno run( --allow-(net=127\.0\.0\.1|write=[\w.]+))*\n\/\/ /;
    assertMatch(text, first, name);
  }
});

Deno.test("each step has its Python twin beside it", () => {
  const names = programs();
  for (const name of names.filter((name) => name.endsWith(".ts"))) {
    assert(names.includes(name.replace(/ts$/, "py")), name);
  }
});

for (const page of PAGES) {
  Deno.test(`${page} has the text of the steps, but for the words of comments`, async () => {
    for (const part of await readPage(page)) {
      if (part.kind !== "code" || !part.file) continue;
      const text = await Deno.readTextFile(STEPS + part.file);
      assertEquals(
        withoutComments(part.file, part.text),
        withoutComments(part.file, text),
        part.file,
      );
    }
  });

  Deno.test(`${page} has links to what there is`, async () => {
    const text = await Deno.readTextFile(ROOT + page);
    const targets = [...text.matchAll(/\]\(([^)#]+)\)|href="([^"]+)"/g)].map((it) =>
      it[1] ?? it[2]
    );
    assert(targets.length > 20);
    for (const target of targets) await Deno.stat(`${ROOT}docs/${target}`);
  });

  Deno.test(`${page} has links to its own sections`, async () => {
    const parts = await readPage(page);
    const anchors = parts.flatMap((part) => part.kind === "heading" ? [anchor(part.title)] : []);
    const text = await Deno.readTextFile(ROOT + page);
    for (const [, target = ""] of text.matchAll(/\]\(#([^)]+)\)/g)) {
      assert(anchors.includes(target), `#${target}`);
    }
  });
}

/** The name that GitHub gives to a heading. */
function anchor(title: string): string {
  return title.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
}

Deno.test("what a reader's commands leave in docs/steps/ is of no concern to git and the formatter", async () => {
  const consoles = (await readPage(PAGES[0])).flatMap((part) =>
    part.kind === "code" && part.info.startsWith("console") ? [part.text] : []
  );
  const left = new Set(consoles.join("").match(/\b[a-z]+\.(html|txt)\b/g));
  assert(left.size >= 5, [...left].join());
  const ignored = (await Deno.readTextFile(`${ROOT}.gitignore`)).split("\n");
  for (const name of left) assert(ignored.includes(`/docs/steps/*.${name.split(".")[1]}`), name);
});

Deno.test("the tutorial is the same in both languages: sections, pictures, code, output", async () => {
  const [english, chinese] = await Promise.all(PAGES.map(readPage));
  assertEquals(chinese!.map(inAnyLanguage), english!.map(inAnyLanguage));
});

function inAnyLanguage(part: Part) {
  if (part.kind === "heading") return { ...part, title: "" };
  if (part.kind !== "code") return part;
  return { ...part, text: withoutComments(part.info === "sh" ? ".py" : part.file, part.text) };
}

Deno.test("what the tutorial says of tasks and threads is what benchmarks.md has", async () => {
  const benchmarks = await Deno.readTextFile(`${ROOT}docs/benchmarks.md`);
  /** The first figure of a program in the table below a heading. */
  const figure = (heading: string, program: string) => {
    const [, section = ""] = benchmarks.split(`\n### ${heading}\n`);
    const [, first = ""] = section.match(new RegExp(`^\\| ${program} +\\| +([\\d.,]+)`, "m")) ?? [];
    return Number(first.replaceAll(",", ""));
  };
  const [task, thread] = ["server.ts", "tutorial's threads"] as const;
  const idle = (program: string) => Math.round(figure("5,000 idle connections", program));
  const ratios = ["64", "1,000"].map((connections) => {
    const heading = `Greetings a second, ${connections} connections`;
    return figure(heading, task) / figure(heading, thread);
  });
  const ratio = Math.floor(Math.min(...ratios));
  const [english, chinese] = await Promise.all(PAGES.map((it) => Deno.readTextFile(ROOT + it)));
  for (const text of [english!, chinese!]) {
    assertMatch(text, new RegExp(`\\b${idle(task)} KiB[^;；]*\\b${idle(thread)} KiB`));
  }
  assertMatch(english!, new RegExp(`answer at\\s+least ${ratio} times as many`));
  assertMatch(chinese!, new RegExp(`至少是线程的 ${ratio} 倍`));
});

Deno.test("the Chinese pages have one line a paragraph: browsers show a line's end as a blank", async () => {
  for (const page of [PAGES[1], "README.zh-CN.md"]) {
    const text = (await Deno.readTextFile(ROOT + page)).replace(/^```[^]*?^```$/gm, "");
    const broken = text.match(/.*[\p{Script=Han}，。；：、！？）」]\n(?![\n|<#-]|\d+\. ).+/u);
    assertEquals(broken?.[0], undefined);
  }
});
