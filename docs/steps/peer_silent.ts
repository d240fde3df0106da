#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// A peer that never writes: it reads, for 2 seconds at most. Arguments: [PORT]
using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
const timer = setTimeout(() => {
  console.log("still connected");
  Deno.exit();
}, 2000);
const buffer = new Uint8Array(1024);
while (await conn.read(buffer) !== null);
clearTimeout(timer);
console.log("the server hung up");
