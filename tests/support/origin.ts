/**
 * A server that answers as it is told, and a resource with ranges and
 * validators.
 *
 * @module
 */
import { writeAll } from "../../mod.ts";
import { encode } from "./bytes.ts";
import { response } from "./replies.ts";
import { FakeServer, readHead, urlOf } from "./servers.ts";

/** A request as it came. */
export interface Asked {
  /** The request line and the header lines. */
  lines: string[];
  /** The method. */
  method: string;
  /** The target, mostly a path. */
  target: string;
  /** The header. */
  headers: Headers;
}

/** In the place of an answer's piece: says nothing more until the test is over. */
export const HOLD: unique symbol = Symbol();

/** An answer: its pieces in their order, and what is waited for between them. */
export type Answer = string | (string | Uint8Array | Promise<unknown> | typeof HOLD)[];

/** Gives the answer to the request that is the `count`th for its target. */
export type Answering = (asked: Asked, count: number) => Answer | Promise<Answer>;

/** A server that writes what it is told to and then closes the connection. */
export class Origin extends FakeServer {
  /** All requests in their order. */
  readonly requests: Asked[];
  #end: () => void;

  /** Answers each request with what `answer` gives. */
  constructor(answer: Answering) {
    const requests: Asked[] = [];
    const end = Promise.withResolvers<void>();
    super(async (conn) => {
      const asked = parseRequest(await readHead(conn));
      requests.push(asked);
      const count = requests.filter(({ target }) => target === asked.target).length;
      for (const piece of [await answer(asked, count)].flat()) {
        if (piece === HOLD) await end.promise;
        else if (piece instanceof Promise) await piece;
        else await writeAll(conn, encode(piece));
      }
    });
    this.requests = requests;
    this.#end = end.resolve;
  }

  /** Lets go of all who wait for the end, and closes all. */
  override async [Symbol.asyncDispose]() {
    this.#end();
    await super[Symbol.asyncDispose]();
  }

  /** The URL of `path`. */
  url(path: string = "/file"): string {
    return urlOf(this, path);
  }

  /** The `Range` of each request for `path`, or `undefined` where there was none. */
  ranges(path: string = "/file"): (string | undefined)[] {
    return this.requests.filter(({ target }) => target === path)
      .map(({ headers }) => headers.get("range") ?? undefined);
  }
}

/** Takes the head of a request apart. */
function parseRequest(head: string): Asked {
  const lines = head.trimEnd().split("\r\n");
  const [method = "", target = ""] = lines[0]!.split(" ");
  const headers = new Headers(
    lines.slice(1).map((line) => line.split(/: ?(.*)/s, 2) as [string, string]),
  );
  return { lines, method, target, headers };
}

/** A Last-Modified of long ago. */
export const MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT";

/** A Date that makes it a validator (RFC 9110 section 8.8.2.2). */
export const DATE = "Fri, 11 Nov 1994 08:49:37 GMT";

/** A resource, and how well its server knows RFC 9110. */
export interface Resource {
  /** Its bytes. */
  body: Uint8Array;
  /** Its ETag with the quotes. */
  etag?: string;
  /** Its Last-Modified. */
  lastModified?: string;
  /** The Date of the answer; `DATE` if it has a Last-Modified. */
  date?: string;
  /** Whether Range means something to the server (true). */
  ranges?: boolean;
  /** Whether If-Range means something to the server (true). */
  ifRange?: boolean;
  /** How many bytes of the body it sends before it closes (all). */
  cut?: number;
}

/** The answer of a server that has this resource (RFC 9110 sections 13 and 14). */
export function serveResource({ headers: asked }: Asked, resource: Resource): [string, Uint8Array] {
  const { body, etag, lastModified, ranges = true, ifRange = true, cut = body.length } = resource;
  const { date = lastModified && DATE } = resource;
  const headers = [
    ...date ? [`Date: ${date}`] : [],
    ...etag ? [`ETag: ${etag}`] : [],
    ...lastModified ? [`Last-Modified: ${lastModified}`] : [],
  ];
  const condition = asked.get("if-range");
  const same = !ifRange || condition === null ||
    condition === (condition.startsWith('"') ? etag : lastModified);
  const offset = /^bytes=(\d+)-$/.exec(asked.get("range") ?? "")?.[1];
  const total = body.length;
  if (!ranges || !same || offset === undefined) {
    return cutAt(cut, response("200 OK", body, headers));
  }
  const first = Number(offset);
  if (first >= total) {
    return response("416 Range Not Satisfiable", "", [`Content-Range: bytes */${total}`]);
  }
  const range = `Content-Range: bytes ${first}-${total - 1}/${total}`;
  return cutAt(cut, response("206 Partial Content", body.subarray(first), [range, ...headers]));
}

/** A response whose body is cut after so many bytes. */
export function cutAt(cut: number, [head, body]: [string, Uint8Array]): [string, Uint8Array] {
  return [head, body.subarray(0, cut)];
}
