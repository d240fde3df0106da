/**
 * Saves several URLs, three at a time, and goes on where an earlier run was cut short.
 *
 * ```sh
 * deno run --allow-net --allow-read=. --allow-write=. examples/mirror.ts URL...
 * ```
 *
 * @module
 */
import { download } from "../fetch.ts";
import { printable } from "../mod.ts";

const urls = Deno.args.values();
let failed = 0;

async function worker() {
  for (const url of urls) { // the workers share one iterator, so each URL is taken once
    try {
      const { file, bytes, attempts } = await download(url, { resume: true, remoteTime: true });
      console.log(`${file}: ${bytes} bytes${attempts > 1 ? ` in ${attempts} tries` : ""}`);
    } catch (error) {
      console.error(printable(`${url}: ${(error as Error).message}`));
      failed++;
    }
  }
}

await Promise.all([worker(), worker(), worker()]);
Deno.exit(failed ? 1 : 0);
