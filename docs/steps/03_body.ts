#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-write=.
// The GET that knows where a body ends. Arguments: [PATH] [FILE] [PORT]
const [path = "/length", file = "page.html", port = "9999"] = Deno.args;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Takes the chunks out of their frames; `whole` if the last one, of size 0, is there. */
function unchunk(bytes: Uint8Array) {
  const parts: Uint8Array[] = [];
  for (let at = 0;;) {
    const start = bytes.indexOf(10, at) + 1; // behind the newline of the size
    const size = start ? parseInt(text(bytes.subarray(at, start)), 16) : NaN;
    if (size > 0) parts.push(bytes.subarray(start, start + size));
    at = start + size + 2; // behind the line end of the chunk
    if (!(size > 0) || at > bytes.length) return { parts, whole: size === 0 };
  }
}

using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`;
await conn.write(new TextEncoder().encode(request));
const answer = new Uint8Array(await new Response(conn.readable).arrayBuffer()); // until EOF

const end = text(answer).indexOf("\r\n\r\n"); // a head is ASCII: one byte a character
const head = text(answer.subarray(0, end)), body = answer.subarray(end + 4);
const length = head.match(/^Content-Length: *(\d+)/im)?.[1];
if (/^Transfer-Encoding: *chunked/im.test(head)) {
  const { parts, whole } = unchunk(body);
  await Deno.writeFile(file, await new Blob(parts as BlobPart[]).bytes());
  console.log(`chunked: ${whole ? "whole" : "CUT SHORT: the chunk of size 0 is missing"}`);
} else if (length !== undefined) {
  await Deno.writeFile(file, body.subarray(0, Number(length)));
  const whole = body.length >= Number(length);
  const came = whole ? "whole" : `CUT SHORT: ${body.length} of ${length} bytes`;
  console.log(`Content-Length: ${came}`);
} else {
  await Deno.writeFile(file, body);
  console.log(`close: ${body.length} bytes, and nobody can tell whether that is all`);
}
