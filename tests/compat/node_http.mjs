/**
 * The site behind Node's http module, which here keeps each connection open
 * for good, whatever the client asks. Usage: node_http.mjs HOST FOLDER
 */
import { createServer } from "node:http";
import process from "node:process";
import { Readable } from "node:stream";
import { answer } from "./site.mjs";

const [host, root] = process.argv.slice(2);

const server = createServer(async (incoming, outgoing) => {
  const url = `http://${incoming.headers.host}${incoming.url}`;
  const { method, headers } = incoming;
  const response = await answer(root, new Request(url, { method, headers }));
  outgoing.setHeaders(response.headers);
  outgoing.writeHead(response.status, { Connection: "keep-alive" });
  if (response.body) Readable.fromWeb(response.body).pipe(outgoing);
  else outgoing.end();
});
server.keepAliveTimeout = 0; // never
server.listen(0, host, () => console.log(`port ${server.address().port}`));
