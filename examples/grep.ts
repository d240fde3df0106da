/**
 * Prints the lines of a page that contain a text, while they arrive: a log of any size takes the
 * memory of a line.
 *
 * ```sh
 * deno run --allow-net examples/grep.ts TEXT URL
 * ```
 *
 * @module
 */
import { TextLineStream } from "jsr:@std/streams@^1.0.0/text-line-stream";
import { request } from "../fetch.ts";
import { EXIT, printable, runScript, usageError } from "../mod.ts";

async function main([text, url]: string[]): Promise<number> {
  if (!text || !url) throw usageError("usage: grep.ts TEXT URL");
  using response = await request(url, { compressed: true });
  const lines = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) {
    if (line.includes(text)) console.log(printable(line));
  }
  return EXIT.ok;
}

const needs = () => ["net"];
await runScript({ name: "grep", advice: {}, needs, args: () => Deno.args }, main);
