/**
 * The tutorial's pages as data: headings, and blocks of code with what they show.
 *
 * @module
 */
import { ROOT } from "../support/process.ts";

/** The folder of the steps, with a slash at its end. */
export const STEPS = `${ROOT}docs/steps/`;

/** The pages that tell the same story. */
export const PAGES = ["docs/tutorial.md", "docs/tutorial.zh-CN.md"] as const;

/** A part of a page that both languages have. */
export type Part =
  | { kind: "heading"; level: number; title: string }
  | { kind: "picture"; file: string }
  /** A program of docs/steps/, if a link to it stands above the block; else `file` is empty. */
  | { kind: "code"; info: string; file: string; text: string };

const PARTS =
  /^(?<level>#+) (?<title>.*)$|!\[.*?\]\((?<picture>[^)]+)\)|(?<above>.*)\n\n```(?<info>.*)\n(?<text>[^]*?)^```$/gm;

/** Reads a page of the project, in order. */
export async function readPage(path: string): Promise<Part[]> {
  const page = await Deno.readTextFile(ROOT + path);
  return [...page.matchAll(PARTS)].map(({ groups = {} }): Part => {
    const { level, title = "", picture, above = "", info = "", text = "" } = groups;
    if (level) return { kind: "heading", level: level.length, title };
    if (picture) return { kind: "picture", file: picture };
    const file = above.match(/steps\/([\w.]+)/)?.[1] ?? "";
    return { kind: "code", info, file: /^(ts|py)/.test(info) ? file : "", text };
  });
}

/** Leaves the place of each comment and nothing of its words: each language has its own. */
export function withoutComments(file: string, text: string): string {
  return file.endsWith(".py")
    ? text.replace(/(^| )# .*$/gm, "$1#").replace(/""".*"""/g, '""""""')
    : text.replace(/\/\/ .*$/gm, "//").replace(/\/\*\* .* \*\//g, "/** */");
}

/** The names of the programs of docs/steps/. */
export function programs(): string[] {
  return [...Deno.readDirSync(STEPS)].map(({ name }) => name)
    .filter((name) => /\.(ts|py)$/.test(name)).sort();
}
