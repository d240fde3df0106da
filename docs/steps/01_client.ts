#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// Connects, sends one line of text, closes. Arguments: [PORT]
const port = Number(Deno.args[0] ?? 9999);
using conn = await Deno.connect({ hostname: "127.0.0.1", port });
console.log(`connected 127.0.0.1:${conn.localAddr.port} to 127.0.0.1:${conn.remoteAddr.port}`);

const bytes = new TextEncoder().encode("Hello, 世界");
// a write may take only some of the bytes: it says how many
for (let n = 0; n < bytes.length;) n += await conn.write(bytes.subarray(n));
console.log(`wrote ${bytes.length} bytes`);
