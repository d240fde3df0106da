#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// Greets the server with three names, then leaves. Arguments: [PORT]
using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
const buffer = new Uint8Array(1024);

async function hear() {
  const n = await conn.read(buffer);
  console.log(n === null ? "(closed)" : new TextDecoder().decode(buffer.subarray(0, n)));
}

await hear();
for (const name of ["Michael", "Tracy", "小明"]) {
  await conn.write(new TextEncoder().encode(name));
  await hear();
}
await conn.write(new TextEncoder().encode("exit"));
await hear();
