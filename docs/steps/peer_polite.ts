#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// A peer as it should be: reads the welcome, greets twice, leaves. Arguments: [PORT]
using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
const buffer = new Uint8Array(1024), decoder = new TextDecoder();
let heard = "";

async function line() {
  for (;;) {
    const end = heard.indexOf("\n");
    if (end >= 0) {
      console.log(heard.slice(0, end));
      heard = heard.slice(end + 1);
      return;
    }
    const n = await conn.read(buffer);
    if (n === null) throw new Error("the server hung up");
    heard += decoder.decode(buffer.subarray(0, n), { stream: true });
  }
}

await line();
for (const name of ["Ada", "小明"]) {
  await conn.write(new TextEncoder().encode(`${name}\n`));
  await line();
}
