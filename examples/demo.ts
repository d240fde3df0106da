/**
 * All three scripts on loopback in one run: a greeting server and a client that greets it, then
 * a page from a real HTTP server, downloaded to a file and compared byte for byte.
 *
 * Run it with `deno task demo`. It needs no network, asks nothing and leaves nothing behind.
 *
 * @module
 */
import { connect } from "../client.ts";
import { download } from "../fetch.ts";
import { runScript } from "../mod.ts";
import { serve } from "../server.ts";

const loopback = "127.0.0.1";
let wrong = 0;

/** Prints a line with a mark: what was seen is what should be, or not. */
function check(text: string, right: boolean) {
  console.log(`  ${right ? "✓" : "✗"} ${text}`);
  if (!right) wrong++;
}

async function main(): Promise<number> {
  // Port 0 lets the system choose a free port, so the demo runs beside anything. The tutorial's
  // server waits a second before each reply; a tenth of it is enough to see it work.
  console.log("server.ts: a greeting server, one task for each connection");
  const server = serve({ hostname: loopback, port: 0, delay: 100 });
  const { port } = server.addr;
  console.log(`  listening on ${loopback}:${port}`);

  // Two clients at once: neither waits for the other.
  console.log("client.ts: two clients at the same time, each reply verified");
  await Promise.all([["Michael", "Tracy", "Sarah"], ["小明", "🦕"]].map(async (names, n) => {
    await using client = await connect({ hostname: loopback, port });
    check(`client ${n + 1} hears ${client.welcome}`, client.welcome === "Welcome!");
    for (const name of names) {
      const reply = await client.greet(name);
      check(`client ${n + 1} says ${name} and hears ${reply}`, reply === `Hello, ${name}!`);
    }
    await client.exit();
  }));
  await server.shutdown();
  const { total, open, messages } = server.status();
  check(
    `the server has shut down: ${total} connections served, ${open} open, ${messages} messages`,
    total === 2 && open === 0 && messages === 5,
  );

  // A real HTTP server of the runtime, with a chunked page and a redirect that leads to it.
  console.log("fetch.ts: a page over HTTP/1.1, behind a redirect");
  const page = "<h1>TCP on Deno</h1>\n".repeat(10_000);
  const web = Deno.serve({ hostname: loopback, port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") {
      return new Response(null, { status: 302, headers: { location: "/page" } });
    }
    return new Response(ReadableStream.from([page]).pipeThrough(new TextEncoderStream()));
  });
  const folder = await Deno.makeTempDir({ dir: ".", prefix: "demo-" });
  try {
    const url = `http://${loopback}:${web.addr.port}/`;
    const { response, file, bytes } = await download(url, { output: `${folder}/page.html` });
    const { status, statusText, redirects, headers } = response;
    check(`${redirects.length} redirect, then ${status} ${statusText}`, status === 200);
    check(
      `the body came ${headers.get("transfer-encoding")}`,
      headers.get("transfer-encoding") === "chunked",
    );
    check(`${bytes} bytes are in the file, as sent`, await Deno.readTextFile(file) === page);
  } finally {
    await Deno.remove(folder, { recursive: true });
    await web.shutdown();
  }

  console.log(wrong === 0 ? "All right. Now try: deno task server" : `${wrong} checks failed`);
  return wrong === 0 ? 0 : 1;
}

const needs = () => ["net=127.0.0.1", "read=.", "write=."];
await runScript({ name: "demo", advice: {}, needs, args: () => [] }, main);
