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
import { TextLineStream } from "@std/streams/text-line-stream";
import { request } from "../fetch.ts";
import { EXIT, printable, report, TrioError } from "../mod_old.ts";

const [text, url] = Deno.args;
try {
  if (!text || !url) throw new TrioError(EXIT.usage, "usage: grep.ts TEXT URL");
  using response = await request(url, { compressed: true });
  const lines = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) {
    if (line.includes(text)) console.log(printable(line));
  }
} catch (error) {
  const granted = ["--allow-net", "examples/grep.ts", ...Deno.args];
  Deno.exit(report("grep", error, () => granted));
}
