#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// A peer that connects a hundred times and waits to be welcomed each time. Arguments: [PORT]
const port = Number(Deno.args[0] ?? 9999);

async function isWelcome() {
  try {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    setTimeout(() => conn.close(), 10_000); // no longer than that, in milliseconds
    return await conn.read(new Uint8Array(100)) !== null; // and it is never closed
  } catch {
    return false; // refused, reset, or not a word: the server is gone
  }
}

const welcome = await Promise.all(Array.from({ length: 100 }, isWelcome));
console.log(welcome.every(Boolean) ? "all were welcomed" : "some were never welcomed");
Deno.exit();
