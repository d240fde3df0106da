// The least that fetch.ts must load for a page of 30 KB, with nothing checked: a command line,
// Ctrl+C, a proxy that may be set, a URL, a time limit, a connection, a head, a file.
import { anyText, parseOptions } from "../../mod.ts";

const table = { output: { letter: "o", value: anyText("FILE", "a file"), help: "" } } as const;
const given = await parseOptions(Deno.args, table);
const interrupted = new AbortController();
Deno.addSignalListener("SIGINT", () => interrupted.abort());
Deno.permissions.querySync({ name: "env", variable: "http_proxy" });
const { hostname, port, host, pathname } = new URL(given._[0]!);
const limit = AbortSignal.timeout(30_000);
const { signal } = interrupted;
const conn = await Deno.connect({ hostname, port: Number(port), signal });
limit.addEventListener("abort", () => conn.close());
await conn.write(
  new TextEncoder().encode(
    `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
  ),
);
const buffer = new Uint8Array(64 * 1024);
let filled = await conn.read(buffer) ?? 0;
const head = new TextDecoder().decode(buffer.subarray(0, 1024));
const start = head.indexOf("\r\n\r\n") + 4;
const length = Number(/\r\nContent-Length: (\d+)/i.exec(head)?.[1]);
while (filled < start + length) filled += await conn.read(buffer.subarray(filled)) ?? Infinity;
const options = { write: true, create: true, truncate: true };
using file = await Deno.open(given.output!, options);
await file.write(buffer.subarray(start, filled));
Deno.exit(0);
