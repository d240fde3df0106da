#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// A peer that never reads: it greets until a write takes 2 seconds. Arguments: [PORT]
const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
const names = new TextEncoder().encode(`${"x".repeat(999)}\n`.repeat(64));
try {
  for (;;) {
    const timer = setTimeout(() => {
      console.log("stuck: the server waits for me to read, and I for it");
      Deno.exit();
    }, 2000);
    await conn.write(names).finally(() => clearTimeout(timer));
  }
} catch {
  console.log("the server hung up");
}
