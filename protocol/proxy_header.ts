/**
 * The PROXY protocol, versions 1 and 2: what a balancer sends before anything else, to say whose
 * connection it passes on (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
 *
 * @module
 */
import { type Address, EXIT, TrioError } from "../mod.ts";

/** A header that is complete. */
export interface ProxyHeader {
  /** Who connected to the balancer; none if it speaks for itself (a health check), or cannot say. */
  client: Address | undefined;
  /** Whether the balancer speaks for itself: a health check. */
  local: boolean;
  /** What came behind the header. */
  rest: Uint8Array<ArrayBuffer>;
}

function invalid(why: string): TrioError {
  return new TrioError(EXIT.unexpected, `no PROXY header: ${why}`);
}

/** Whether `bytes` begins with `prefix`, as far as it goes. */
function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.subarray(0, prefix.length).every((byte, i) => byte === prefix[i]);
}

// --- Version 1, a line ---------------------------------------------------------

const PREFIX_1 = new TextEncoder().encode("PROXY ");

/** The most bytes of the line, CRLF included (section 2.1). */
const MAX_LINE = 107;

/** `2001:db8::1 → true`, `::ffff:192.0.2.1 → true`, `::1%lo → false` */
function isIpv6(text: string): boolean {
  return /^[\da-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]/`);
}

/** `5000 → true`, `05000 → false`, `65536 → false` */
function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

/**
 * The header in `bytes`, if it is complete.
 *
 * `"PROXY TCP4 192.0.2.1 192.0.2.2 5000 9999\r\n" → 192.0.2.1:5000`
 * `"PROXY UNKNOWN\r\n" → no client`
 */
function parseLine(bytes: Uint8Array<ArrayBuffer>): ProxyHeader | undefined {
  const end = bytes.subarray(0, MAX_LINE).indexOf(0x0a);
  if (end < 0 && bytes.length < MAX_LINE) return undefined;
  const line = String.fromCharCode(...bytes.subarray(0, end + 1));
  const rest = bytes.subarray(end + 1);
  if (/^PROXY UNKNOWN( [^\r\n]*)?\r\n$/.test(line)) {
    return { client: undefined, local: false, rest };
  }
  const [, version, source, destination, ports] =
    line.match(/^PROXY TCP([46]) (\S+) (\S+) (\d+ \d+)\r\n$/) ?? [];
  const isAddress = version === "4" ? isIpv4 : isIpv6;
  if (!ports || !isAddress(source!) || !isAddress(destination!)) throw invalid("its line is wrong");
  const [port, destinationPort] = ports.split(" ");
  if (!isPort(port!) || !isPort(destinationPort!)) throw invalid("its line is wrong");
  return { client: { hostname: source!, port: Number(port) }, local: false, rest };
}

/** `192.0.2.1 → true`, `192.0.2.01 → false`, `192.0.2 → false` */
function isIpv4(text: string): boolean {
  const bytes = text.split(".");
  return bytes.length === 4 && bytes.every((it) => /^(0|[1-9]\d{0,2})$/.test(it) && +it <= 255);
}

// --- Version 2, binary ---------------------------------------------------------

// deno-fmt-ignore
const PREFIX_2 = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);

/** The prefix, version and command, family and protocol, and the length of what follows. */
const FIXED_BYTES = 16;
/** Version 2 in the high half of the byte, the command in the low one. */
const LOCAL = 0x20, PROXY = 0x21;

function ipv4Text(bytes: Uint8Array): string {
  return bytes.join(".");
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** As people write it (RFC 5952): `::1`, `2001:db8::1`; `192.0.2.1` for `::ffff:192.0.2.1`. */
function ipv6Text(bytes: Uint8Array): string {
  if (startsWith(bytes, MAPPED)) return ipv4Text(bytes.subarray(MAPPED.length));
  const groups = Array.from(
    { length: 8 },
    (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!).toString(16),
  );
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

/** How two addresses and two ports are sent; of other families the balancer's own address counts. */
const FAMILIES = {
  0x11: { bytes: 12, size: 4, hostname: ipv4Text }, // TCP over IPv4
  0x21: { bytes: 36, size: 16, hostname: ipv6Text }, // TCP over IPv6
} as const;

/** The header in `bytes`, if it is complete: 16 bytes, addresses, and TLVs that nobody reads. */
function parseBinary(bytes: Uint8Array<ArrayBuffer>): ProxyHeader | undefined {
  if (bytes.length < FIXED_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const command = view.getUint8(12), length = view.getUint16(14);
  if (command !== LOCAL && command !== PROXY) throw invalid("its version or command is unknown");
  const family = FAMILIES[view.getUint8(13) as keyof typeof FAMILIES];
  if (command === PROXY && family && length < family.bytes) throw invalid("its addresses are cut");
  const end = FIXED_BYTES + length;
  if (bytes.length < end) return undefined;
  const rest = bytes.subarray(end);
  const local = command === LOCAL;
  if (local || !family) return { client: undefined, local, rest };
  const hostname = family.hostname(bytes.subarray(FIXED_BYTES, FIXED_BYTES + family.size));
  return { client: { hostname, port: view.getUint16(FIXED_BYTES + 2 * family.size) }, local, rest };
}

// --- Either of them ------------------------------------------------------------

/**
 * Reads the header from what comes, in whatever pieces.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const text = new TextEncoder(), reader = new ProxyHeaderReader();
 * assertEquals(reader.take(text.encode("PROXY TCP4 192.0.2.1 192.0")), undefined);
 * const header = reader.take(text.encode(".2.2 5000 9999\r\nAda"));
 * assertEquals(header?.client, { hostname: "192.0.2.1", port: 5000 });
 * assertEquals(new TextDecoder().decode(header?.rest), "Ada");
 * ```
 */
export class ProxyHeaderReader {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array();

  /**
   * Takes a piece, and returns the header once it is complete.
   *
   * @throws {TrioError} 1 as soon as it cannot be one.
   */
  take(piece: Uint8Array): ProxyHeader | undefined {
    const bytes = new Uint8Array(this.#bytes.length + piece.length);
    bytes.set(this.#bytes);
    bytes.set(piece, this.#bytes.length);
    this.#bytes = bytes;
    if (startsWith(bytes, PREFIX_1)) return parseLine(bytes);
    if (startsWith(bytes, PREFIX_2)) return parseBinary(bytes);
    throw invalid("it begins with something else");
  }
}
