/** The site behind Deno.serve. Usage: deno_serve.mjs HOST FOLDER */
import { answer } from "./site.mjs";

const [hostname, root] = Deno.args;

Deno.serve({
  hostname,
  port: 0,
  onListen: ({ port }) => console.log(`port ${port}`),
}, (request) => answer(root, request));
