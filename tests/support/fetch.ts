/**
 * How tests use fetch.ts: as a command in a folder, and as a library.
 *
 * @module
 */
import { HttpResponse, request, type RequestOptions } from "../../fetch.ts";
import { textOf } from "./bytes.ts";
import type { Folder } from "./folder.ts";
import { denoArgs, type Finished, Running, type RunOptions, runScript } from "./process.ts";
import { retimed } from "./replaced.ts";

/** How fetch.ts may write: with read access, or without. */
export const MODES = {
  "FILE.part": ["--allow-net=127.0.0.1", "--allow-read=.", "--allow-write=."],
  "FILE": ["--allow-net=127.0.0.1", "--allow-write=."],
} as const;

/** Runs fetch.ts in `folder`, with read and write access to it if nothing else is said. */
export function runFetch(
  folder: Folder,
  args: string[],
  options: RunOptions = {},
): Promise<Finished> {
  const permissions = [...MODES["FILE.part"]];
  return runScript("fetch.ts", args, { cwd: folder.path, permissions, ...options });
}

/** Starts fetch.ts in `folder`, with these permissions. */
export function startFetch(
  folder: Folder,
  permissions: readonly string[],
  args: string[],
): Running {
  const command = denoArgs("fetch.ts", args, [...permissions]);
  return new Running(Deno.execPath(), command, { cwd: folder.path });
}

/** Requests a URL and reads the body, one char a byte. */
export async function get(url: string | URL, options: RequestOptions = {}): Promise<string> {
  using response = await request(url, options);
  return await bodyOf(response);
}

/** Reads the body of a response, one char a byte. */
export async function bodyOf(response: HttpResponse): Promise<string> {
  const parts: string[] = [];
  for await (const bytes of response.body) parts.push(textOf(bytes));
  return parts.join("");
}

/** While it lasts, pauses of whole seconds, as there are between two tries, pass at once. */
export function hurry(): Disposable & { pauses: number[] } {
  const pauses: number[] = [];
  const hurried = retimed((ms) => {
    if (ms < 1000 || ms % 1000 > 0) return ms;
    pauses.push(ms / 1000);
    return 0;
  });
  return Object.assign(hurried, { pauses });
}
