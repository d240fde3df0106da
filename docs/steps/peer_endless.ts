#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// A peer whose line has no end. Arguments: [PORT]
const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
const name = new TextEncoder().encode("x".repeat(64 * 1024));
try {
  for (;;) await conn.write(name);
} catch {
  console.log("the server hung up");
}
