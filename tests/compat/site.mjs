/**
 * The web site as a handler, for the HTTP servers that need one: Deno.serve
 * and Node's http module, each run with the site's folder as its argument.
 *
 * @module
 */
import { readFile, stat } from "node:fs/promises";

/**
 * Answers one request.
 *
 * @param {string} root The folder of the site.
 * @param {Request} request The request.
 * @returns {Promise<Response>} The answer.
 */
export async function answer(root, request) {
  const url = new URL(request.url);
  const path = root + decodeURIComponent(url.pathname);
  const zips = request.headers.get("Accept-Encoding")?.includes("gzip");
  if (url.pathname === "/cgi-bin/query") {
    return new Response(url.search.slice(1));
  }
  if (url.pathname === "/cgi-bin/generated") {
    return new Response(
      new Blob([await readFile(`${root}/text.txt`)]).stream(),
    );
  }
  if (url.pathname === "/text.txt" && zips) {
    const text = new Blob([await readFile(path)]).stream();
    return new Response(text.pipeThrough(new CompressionStream("gzip")), {
      headers: { "Content-Encoding": "gzip" },
    });
  }
  if (url.pathname === "/folder") {
    return new Response(null, {
      status: 301,
      headers: { Location: "/folder/" },
    });
  }
  if (url.pathname === "/folder/") return file(`${path}index.html`, request);
  if (url.pathname === "/packed.txt" && zips) {
    return file(`${path}.gz`, request, { "Content-Encoding": "gzip" });
  }
  return await file(path, request);
}

/** Answers with a file, or the rest of it that `Range` asks for. */
async function file(path, request, headers = {}) {
  let bytes, changed;
  try {
    bytes = await readFile(path);
    changed = (await stat(path)).mtime.toUTCString();
  } catch {
    return new Response("There is no such file.\n", { status: 404 });
  }
  const [, start] = request.headers.get("Range")?.match(/^bytes=(\d+)-$/) ?? [];
  const partial = start && request.headers.get("If-Range") === changed;
  const body = partial ? bytes.subarray(Number(start)) : bytes;
  return new Response(request.method === "HEAD" ? null : body, {
    status: partial ? 206 : 200,
    headers: {
      "Content-Length": String(body.length),
      "Last-Modified": changed,
      ...partial && {
        "Content-Range": `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
      },
      ...headers,
    },
  });
}
