#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-write=.
// An HTTP GET over a bare socket, saved to a file. Arguments: [PATH] [FILE] [PORT]
const [path = "/length", file = "page.html", port = "9999"] = Deno.args;
using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`;
const bytes = new TextEncoder().encode(request);
for (let n = 0; n < bytes.length;) n += await conn.write(bytes.subarray(n));

let answer = "";
const buffer = new Uint8Array(1024), decoder = new TextDecoder();
for (let n; (n = await conn.read(buffer)) !== null;) {
  // a read may end inside a character: { stream: true } keeps its first bytes for the next
  answer += decoder.decode(buffer.subarray(0, n), { stream: true });
}
const end = answer.indexOf("\r\n\r\n");
console.log(answer.slice(0, end));
await Deno.writeTextFile(file, answer.slice(end + 4));
console.log(`saved ${file}`);
