/**
 * Downloads into a folder with fetch.ts, as a command and as a library, and with curl, and
 * compares.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import * as fetch from "../../fetch.ts";
import { isSame } from "../support/bytes.ts";
import { runFetch } from "../support/fetch.ts";
import type { Folder } from "../support/folder.ts";
import { type Finished, run } from "../support/process.ts";

/** What fetch.ts says with `--json`, as far as the suite looks at it. */
export interface Report {
  /** The URL that the file came from. */
  finalUrl: string;
  /** The status code. */
  status: number;
  /** The values of each header. */
  headers: Record<string, string[]>;
  /** How many tries it took. */
  attempts: number;
  /** The redirects that were followed. */
  redirects: readonly unknown[];
}

/** What is asked for beside a URL; names are those of the library, but for `cacert`, a file. */
export interface Asked {
  output?: string;
  compressed?: true;
  resume?: true;
  retry?: number;
  fail?: false;
  proxy?: string;
  cacert?: string;
}

/** What a download came to. */
export interface Outcome {
  /** The exit code. */
  code: number;
  /** The line that says what failed. */
  stderr: string;
  /** What is known of it, if it was good. */
  report: Report | undefined;
}

/** A URL and the file for it. */
export interface Wanted {
  url: string;
  output: string;
}

/** fetch.ts, for half a minute at most: as a command, or as a library. */
export interface Way {
  /** Downloads a URL into a folder. */
  get(folder: Folder, url: string, asked?: Asked): Promise<Outcome>;
  /** Downloads URLs in one run, all asked for alike, into a file each. */
  getAll(folder: Folder, wanted: Wanted[], asked: Asked): Promise<Outcome[]>;
  /** Gives the head of the answer to this method. */
  head(folder: Folder, url: string, method: "GET" | "HEAD"): Promise<string>;
}

/** The arguments for what is asked for. */
function argsOf({ output, compressed, resume, retry, fail, proxy, cacert }: Asked): string[] {
  return [
    ...output === undefined ? [] : ["--output", output],
    ...compressed ? ["--compressed"] : [],
    ...resume ? ["--continue"] : [],
    ...retry === undefined ? [] : [`--retry=${retry}`],
    ...fail === false ? ["--no-fail"] : [],
    ...proxy === undefined ? [] : ["--proxy", proxy],
    ...cacert === undefined ? [] : ["--cacert", cacert],
  ];
}

/** Runs fetch.ts in a folder where it may read and write, for half a minute at most. */
export function boundedFetch(folder: Folder, ...args: string[]): Promise<Finished> {
  return runFetch(folder, ["--max-time=30", ...args], {
    permissions: ["--allow-net", "--allow-read", "--allow-write=."],
  });
}

/** With the command. */
export const byCommand: Way = {
  async get(folder, url, asked = {}) {
    const { code, stdout, stderr } = await boundedFetch(folder, "--json", ...argsOf(asked), url);
    return { code, stderr, report: code === 0 ? JSON.parse(stdout) : undefined };
  },
  async getAll(folder, wanted, asked) {
    const urls = wanted.flatMap(({ url, output }) => ["--output", output, url]);
    const { stdout, stderr } = await boundedFetch(folder, "--json", ...argsOf(asked), ...urls);
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.length, wanted.length, stderr);
    return lines.map(({ error, ...report }) =>
      error ? { code: error.code, stderr, report: undefined } : { code: 0, stderr, report }
    );
  },
  async head(folder, url, method) {
    const { code, stdout, stderr } = await boundedFetch(
      folder,
      ...method === "HEAD" ? ["--head"] : ["--output=ours"],
      url,
    );
    assertEquals(code, 0, stderr);
    return stdout;
  },
};

/** With the library: the same without a process. */
export const byLibrary: Way = {
  async get(folder, url, { cacert, ...asked } = {}) {
    const caCerts = cacert === undefined ? [] : [await Deno.readTextFile(cacert)];
    const options = { outputDir: folder.path, maxTime: 30, caCerts, ...asked };
    try {
      return { code: 0, stderr: "", report: reportOf(await fetch.download(url, options)) };
    } catch (error) {
      if (!(error instanceof fetch.TrioError)) throw error;
      return { code: error.code, stderr: `fetch: ${error.message}\n`, report: undefined };
    }
  },
  async getAll(folder, wanted, asked) {
    const outcomes: Outcome[] = [];
    for (const { url, output } of wanted) {
      outcomes.push(await byLibrary.get(folder, url, { ...asked, output }));
    }
    return outcomes;
  },
  async head(_folder, url, method) {
    using response = await fetch.request(url, { method, maxTime: 30 });
    return response.head.lines.join("\n");
  },
};

function reportOf({ response, attempts }: fetch.Download): Report {
  const { url: finalUrl, status, redirects } = response;
  const headers: Report["headers"] = {};
  for (const [name, value] of response.head.fields) {
    (headers[name.toLowerCase()] ??= []).push(value);
  }
  return { finalUrl, status, headers, attempts, redirects };
}

/** Runs curl in a folder, whatever this machine's settings for it are. */
export function curl(folder: Folder, ...args: string[]): Promise<Finished> {
  const env = { http_proxy: "", https_proxy: "", all_proxy: "", no_proxy: "" };
  const options = ["--disable", "--silent", "--show-error", "--globoff"];
  return run("curl", [...options, ...args], { cwd: folder.path, env });
}

/** Fails unless the file has these bytes. */
export async function assertFile(path: string, bytes: Uint8Array) {
  const actual = await Deno.readFile(path);
  assertEquals(actual.length, bytes.length);
  assert(isSame(actual, bytes), `${path} has other bytes`);
}

/** A URL, the bytes it has, and what is asked for beside it. */
export interface Get {
  url: string;
  bytes: Uint8Array;
  asked?: Asked;
}

/** What fetch.ts saved, and what it came to. */
export interface Ours extends Outcome {
  /** Its file. */
  path: string;
}

/** What curl saved. */
export interface Theirs {
  /** Its file. */
  path: string;
  /** The status and the URL that it ended at. */
  ending: string;
}

/** Downloads URLs with fetch.ts; those that are asked for alike are one run. */
export async function fetchAll<Key>(
  folder: Folder,
  way: Way,
  gets: ReadonlyMap<Key, Get>,
): Promise<Map<Key, Ours>> {
  const ours = new Map<Key, Ours>();
  const alike = Map.groupBy(gets, ([, { asked = {} }]) => argsOf(asked).join(" "));
  for (const group of alike.values()) {
    const wanted = group.map(([, { url }], n) => ({ url, output: `ours-${ours.size + n}` }));
    const outcomes = await way.getAll(folder, wanted, group[0]![1].asked ?? {});
    for (const [n, outcome] of outcomes.entries()) {
      ours.set(group[n]![0], { ...outcome, path: folder.file(wanted[n]!.output) });
    }
  }
  return ours;
}

/** Downloads URLs with curl, in one run. */
export async function curlAll<Key>(
  folder: Folder,
  gets: ReadonlyMap<Key, Get>,
): Promise<Map<Key, Theirs>> {
  const path = (n: number) => folder.file(`theirs-${n}`);
  const args = [...gets.values()].flatMap(({ url, asked = {} }, n) => [
    ...n > 0 ? ["--next", "--globoff"] : [],
    ...["--location", "--output", path(n), ...argsOf(asked)],
    ...["--write-out", "%{exitcode} %{http_code} %{url_effective}\n"],
    new URL(url).href, // curl takes no space in a URL
  ]);
  const { stdout, stderr } = await curl(folder, ...args);
  const lines = stdout.split("\n");
  return new Map([...gets.keys()].map((key, n) => {
    const [, code, ending = ""] = lines[n]?.match(/^(\d+) (.*)$/) ?? [];
    assertEquals(code, "0", stderr);
    return [key, { path: path(n), ending }];
  }));
}

/** Both must have saved the bytes of a URL and have ended at the same URL. */
export async function assertSame(bytes: Uint8Array, ours: Ours, theirs: Theirs): Promise<Report> {
  const { code, stderr, report, path } = ours;
  assertEquals(code, 0, stderr);
  await assertFile(path, bytes);
  await assertFile(theirs.path, bytes);
  assertEquals(`${report!.status} ${report!.finalUrl}`, theirs.ending);
  return report!;
}

/** Downloads URLs with fetch.ts and with curl: both must save the same and end at the same URLs. */
export async function downloadAll(folder: Folder, way: Way, gets: Get[]): Promise<Report[]> {
  const all = new Map(gets.map((get) => [get, get]));
  const theirs = await curlAll(folder, all), ours = await fetchAll(folder, way, all);
  return await Promise.all(
    gets.map((get) => assertSame(get.bytes, ours.get(get)!, theirs.get(get)!)),
  );
}

/** The same with one URL. */
export async function download(folder: Folder, way: Way, get: Get): Promise<Report> {
  return (await downloadAll(folder, way, [get]))[0]!;
}
