/**
 * README.zh-CN.md says what README.md says: its commands, its permissions, its exit codes; and
 * each message that it explains is one of the scripts'.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { EXIT } from "../../mod.ts";
import { ROOT } from "../support/process.ts";

const english = await Deno.readTextFile(`${ROOT}README.md`);
const chinese = await Deno.readTextFile(`${ROOT}README.zh-CN.md`);

/** The rows of the table below a heading, without its head. */
function table(page: string, heading: string): string[][] {
  const [, section = ""] = page.split(`\n## ${heading}\n`);
  const rows = section.split("\n## ")[0]!.match(/^\|.*\|$/gm) ?? [];
  return rows.slice(2).map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** What stands in backquotes. */
function code(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
}

Deno.test("each README's first lines have a link to the other", () => {
  assert(english.startsWith("# tcp-trio\n\n[中文](README.zh-CN.md)\n"));
  assert(chinese.startsWith("# tcp-trio\n\n[English](README.md)\n"));
});

Deno.test("the commands of README.zh-CN.md are in README.md", () => {
  const blocks = [...chinese.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block = ""]) => block);
  const commands = blocks.join("").split("\n").map((line) => line.replace(/ *#.*/, ""));
  assert(commands.length > 5);
  for (const command of commands) assertStringIncludes(english, command);
});

Deno.test("both READMEs grant the same permissions to the same commands", () => {
  const grants = (heading: string, page: string) =>
    table(page, heading).map((cells) => cells.map(code));
  assertEquals(grants("权限", chinese), grants("Permissions", english));
});

Deno.test("README.zh-CN.md has the exit codes that README.md has, and the scripts", () => {
  const codes = (heading: string, page: string) =>
    table(page, heading).flat().filter((cell) => /^[\d, ]+$/.test(cell))
      .flatMap((cell) => cell.split(", ")).map(Number).sort((a, b) => a - b);
  const ours = codes("退出码", chinese);
  assertEquals(ours, codes("Exit codes", english));
  assertEquals(ours, Object.values(EXIT).sort((a, b) => a - b));
});

Deno.test("the messages that README.zh-CN.md explains are the scripts'", async () => {
  let source = "";
  for (const folder of ["", "protocol/"]) {
    for (const { name } of Deno.readDirSync(ROOT + folder)) {
      if (name.endsWith(".ts")) source += await Deno.readTextFile(`${ROOT}${folder}${name}`);
    }
  }
  const messages = table(chinese, "出错信息对照").map(([message = ""]) => code(message)[0]!);
  assert(messages.length > 20);
  for (const message of messages) {
    // what the system says, after a colon, is not in the scripts
    const words = message.replace(/: Connection refused$/, "").split("…").map((it) => it.trim());
    for (const word of words.filter((word) => /\w{2}/.test(word))) {
      for (const part of word.split(": ")) {
        assert(source.includes(part), `no ${part} in ${message}`);
      }
    }
  }
});

Deno.test("README.zh-CN.md has links to what there is", async () => {
  for (const [, target = ""] of chinese.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
    await Deno.stat(ROOT + target);
  }
});
