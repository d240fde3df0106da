/**
 * Downloads with fetch.ts and with curl, into a folder, and compares.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
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
  redirects: unknown[];
}

/** Runs fetch.ts in a folder where it may read and write, for half a minute at most. */
export function boundedFetch(folder: Folder, ...args: string[]): Promise<Finished> {
  return runFetch(folder, ["--max-time=30", ...args], {
    permissions: ["--allow-net", "--allow-read", "--allow-write=."],
  });
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

/**
 * Downloads a URL with fetch.ts and with curl, which take the same options
 * here: both must save these bytes and end at the same URL.
 */
export async function download(
  folder: Folder,
  url: string,
  bytes: Uint8Array,
  ...args: string[]
): Promise<Report> {
  const [ours, theirs] = [folder.file("ours"), folder.file("theirs")];
  const we = await boundedFetch(folder, "--json", "--output", ours, ...args, url);
  assertEquals(we.code, 0, we.stderr);
  const they = await curl(
    folder,
    ...["--location", "--output", theirs, ...args],
    ...["--write-out", "%{http_code} %{url_effective}"],
    new URL(url).href, // curl takes no space in a URL
  );
  assertEquals(they.code, 0, they.stderr);
  await assertFile(ours, bytes);
  await assertFile(theirs, bytes);
  const report: Report = JSON.parse(we.stdout);
  assertEquals(`${report.status} ${report.finalUrl}`, they.stdout);
  return report;
}
