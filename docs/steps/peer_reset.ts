#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// A peer whose process ends with bytes unread: its system resets the connection. Arguments: [PORT]
await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
await new Promise((wake) => setTimeout(wake, 100)); // the welcome is in the buffer by now
console.log("the welcome is here, and nobody reads it");
Deno.exit();
