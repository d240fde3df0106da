/**
 * The client's side of SOCKS5 (RFC 1928), with user and password (RFC 1929), without a connection.
 *
 * @module
 */
import { type Address, EXIT, hostPort, TrioError, unbracketed, usageError } from "../mod.ts";

/** Who is to be let through; each at most 255 bytes. */
export interface SocksUser {
  /** The name, not empty. */
  name: string;
  /** The password. */
  password: string;
}

/** What is to be done next. */
export interface SocksStep {
  /** Bytes to write first, perhaps none. */
  send: Uint8Array<ArrayBuffer>;
  /** How many bytes to read then: exactly these, what follows the last ones is the target's. */
  read: number;
}

/** What a client says of itself (RFC 1928 section 3, RFC 1929 section 2). */
const VERSION = 5, AUTHENTICATION_VERSION = 1;

const NO_AUTHENTICATION = 0, USER_AND_PASSWORD = 2;
const CONNECT = 1;

/** The types of addresses (RFC 1928 section 5). */
const IPV4 = 1, NAME = 3, IPV6 = 4;

const NOTHING = new Uint8Array();
const encoder = new TextEncoder();

/** VER, ULEN, UNAME, PLEN, PASSWD (RFC 1929 section 2). */
function loginMessage({ name, password }: SocksUser): Uint8Array<ArrayBuffer> {
  const [user, secret] = [encoder.encode(name), encoder.encode(password)];
  if (user.length === 0 || user.length > 255 || secret.length > 255) {
    throw usageError("a SOCKS5 user has 1 to 255 bytes, and a password at most 255");
  }
  return Uint8Array.of(AUTHENTICATION_VERSION, user.length, ...user, secret.length, ...secret);
}

/** `2001:db8::1` → its 16 bytes. */
function ipv6Bytes(address: string): number[] {
  const groups = (text = "") =>
    text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  const [head, tail] = address.split("::").map(groups) as [number[], number[]?];
  const zeros = new Array(8 - head.length - (tail?.length ?? 0)).fill(0);
  return [...head, ...zeros, ...tail ?? []].flatMap((group) => [group >> 8, group & 0xff]);
}

/** A host as ATYP and DST.ADDR (RFC 1928 section 5). */
function addressBytes(host: string): number[] {
  const bytes = host.split(".").map(Number);
  if (/^(\d{1,3}\.){3}\d{1,3}$/.test(host) && bytes.every((byte) => byte < 256)) {
    return [IPV4, ...bytes];
  }
  // the URL parser knows every spelling of an IPv6 address and gives the shortest in hex
  const shortest = host.includes(":") ? URL.parse(`http://[${host}]`)?.hostname : undefined;
  if (shortest) return [IPV6, ...ipv6Bytes(unbracketed(shortest))];
  const name = encoder.encode(host);
  if (name.length <= 255) return [NAME, name.length, ...name];
  throw new TrioError(EXIT.url, `a host name of ${name.length} bytes (SOCKS5 takes 255)`);
}

/** VER, CMD, RSV, ATYP, DST.ADDR, DST.PORT (RFC 1928 section 4). */
function connectMessage({ hostname, port }: Address): Uint8Array<ArrayBuffer> {
  const address = addressBytes(unbracketed(hostname));
  return Uint8Array.of(VERSION, CONNECT, 0, ...address, port >> 8, port & 0xff);
}

/** Says what a first byte other than 5 tells of the proxy. */
function notSocks(version: number): string {
  const letter = "H".charCodeAt(0); // of HTTP/1.1 400 Bad Request
  return version === letter ? "it is an HTTP proxy" : "it does not speak SOCKS5";
}

/** What a reply's code says (RFC 1928 section 6). */
const REPLIES: Record<number, string | undefined> = {
  1: "it failed",
  2: "its rules do not allow it",
  3: "the network is unreachable",
  4: "the host is unreachable, or its name is not resolved",
  5: "connection refused",
  6: "no answer in time",
  7: "it makes no connections for others",
};

/** Says what a reply's code means, after a request with an address of this type. */
function refusal(code: number, type: number): string {
  let meaning = REPLIES[code] ?? "it does not say why";
  if (code === 1 && type === NAME) meaning = "it failed, perhaps to resolve the name";
  if (code === 8) {
    const kind = type === NAME ? "names, only addresses" : `IPv${type === IPV4 ? 4 : 6} addresses`;
    meaning = `it takes no ${kind}`;
  }
  return `${meaning} (code ${code})`;
}

function* dialogue(
  target: Address,
  connect: Uint8Array<ArrayBuffer>,
  login: Uint8Array<ArrayBuffer> | undefined,
): Generator<SocksStep, void, Uint8Array> {
  const failed = (why: string) =>
    new TrioError(EXIT.connect, `the SOCKS proxy does not connect to ${hostPort(target)}: ${why}`);

  // the version identifier and method selection (RFC 1928 section 3)
  const methods = login ? [NO_AUTHENTICATION, USER_AND_PASSWORD] : [NO_AUTHENTICATION];
  const hello = Uint8Array.of(VERSION, methods.length, ...methods);
  const [version, method] = yield { send: hello, read: 2 };
  if (version !== VERSION) throw failed(notSocks(version!));
  if (!methods.includes(method!)) {
    throw failed(
      login
        ? "it wants another kind of login than user and password"
        : "it wants a user and a password",
    );
  }

  if (login && method === USER_AND_PASSWORD) {
    // the first byte should be 1, but some proxies send 5
    const [, status] = yield { send: login, read: 2 };
    if (status !== 0) throw failed("the user or the password is wrong");
  }

  // the code first: some proxies send no more than it, and two bytes, when they fail
  const [replyVersion, code] = yield { send: connect, read: 2 };
  if (replyVersion !== VERSION) throw failed(notSocks(replyVersion!));
  if (code !== 0) throw failed(refusal(code!, connect[3]!));
  // the address that it connects from: of no use, but not the target's bytes either
  const [, type] = yield { send: NOTHING, read: 2 };
  let length = { [IPV4]: 4, [IPV6]: 16 }[type!];
  if (type === NAME) [length] = yield { send: NOTHING, read: 1 };
  if (length === undefined) throw failed(`its reply has an address of unknown type ${type}`);
  yield { send: NOTHING, read: length + 2 };
}

/**
 * Asks a proxy to connect to `target`: yields what to write and how many bytes to read, takes
 * these, and returns once they are connected. A name is resolved by the proxy; for `socks5://`
 * resolve it first and give the address.
 *
 * ```ts ignore
 * const dialogue = socks5(target, user);
 * for (let step = dialogue.next(); !step.done;) {
 *   await writeAll(conn, step.value.send);
 *   step = dialogue.next(await readExactly(conn, step.value.read));
 * }
 * ```
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const dialogue = socks5({ hostname: "127.0.0.1", port: 80 });
 * const none = new Uint8Array();
 * assertEquals(dialogue.next().value, { send: Uint8Array.of(5, 1, 0), read: 2 });
 * assertEquals(dialogue.next(Uint8Array.of(5, 0)).value, {
 *   send: Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, 0, 80),
 *   read: 2,
 * });
 * assertEquals(dialogue.next(Uint8Array.of(5, 0)).value, { send: none, read: 2 });
 * assertEquals(dialogue.next(Uint8Array.of(0, 1)).value, { send: none, read: 6 });
 * assertEquals(dialogue.next(new Uint8Array(6)).done, true);
 * ```
 *
 * @throws {TrioError} at once 3 if the name of the target is longer than 255 bytes, 2 if that of
 * the user or the password is, or there is no name; later 7 if the proxy does not connect.
 */
export function socks5(
  target: Address,
  user?: SocksUser,
): Generator<SocksStep, void, Uint8Array> {
  const login = user && loginMessage(user);
  return dialogue(target, connectMessage(target), login);
}
