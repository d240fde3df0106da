/**
 * Certificates made for the run, by openssl: good ones and broken ones.
 *
 * @module
 */
import { encode } from "./bytes.ts";
import { Folder } from "./folder.ts";
import { find } from "./peers.ts";
import { run } from "./process.ts";

/** What a TLS server needs. */
export interface Chain {
  /** The PEM file with all that it sends. */
  readonly certificate: string;
  /** The PEM file with its certificate alone. */
  readonly leaf: string;
  /** The PEM file with what it sends after its certificate. */
  readonly rest?: string;
  /** The PEM file with its key. */
  readonly key: string;
}

/** The certificates of a run; disposing of them removes them. */
export interface Certificates extends AsyncDisposable {
  /** The PEM file with the CA to trust. */
  readonly ca: string;
  /** Its text, as `caCerts` takes it. */
  readonly caCerts: string[];
  /** For localhost, 127.0.0.1 and ::1. */
  readonly good: Chain;
  /** For the site of the default URL. */
  readonly sina: Chain;
  /** For another name. */
  readonly wrongName: Chain;
  /** Good until 2020. */
  readonly expired: Chain;
  /** Good, but of a CA that nobody knows. */
  readonly unknownCa: Chain;
  /** Good, but sent without the intermediate's. */
  readonly noIntermediate: Chain;
}

/** The first and the last moment of a certificate, as `YYYYMMDDHHMMSSZ`. */
type Validity = readonly [from: string, to: string];

const LONG_AGO: Validity = ["20200101000000Z", "20200201000000Z"];

const HERE = "DNS:localhost,IP:127.0.0.1,IP:::1";

const CA = [
  "basicConstraints=critical,CA:TRUE",
  "keyUsage=critical,keyCertSign",
];

/** The variable of the environment with the folder for the certificates that all files share. */
export const SHARED = "TESTS_CERTIFICATES";

/**
 * Gives a CA, an intermediate CA, and the servers' certificates. In a run of `deno task test` the
 * first file that asks makes them, for all.
 */
export async function makeCertificates(): Promise<Certificates> {
  const shared = Deno.env.get(SHARED);
  if (shared !== undefined) {
    await makeOnce(shared);
    return { ...await certificatesIn(shared), [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const made = new Folder("tls");
  await makeIn(made.path);
  return {
    ...await certificatesIn(made.path),
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}

/** Makes them, unless another file of the run did: where that is not over, waits for it. */
async function makeOnce(folder: string) {
  using lock = await Deno.open(`${folder}/made`, { create: true, append: true });
  await lock.lock(true);
  if ((await lock.stat()).size > 0) return;
  await makeIn(folder);
  await lock.write(encode("made"));
}

async function makeIn(folder: string) {
  await Deno.writeTextFile(`${folder}/index`, "");
  await Deno.writeTextFile(
    `${folder}/configuration`,
    `
[ca]
default_ca = run
[run]
database = ${folder}/index
new_certs_dir = ${folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`,
  );
  const openssl = async (...args: string[]) => {
    const { code, stderr } = await run("openssl", args, { cwd: folder });
    if (code) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  };
  const root = (name: string) =>
    openssl("req", "-x509", ...request(name, CA), "-out", `${name}.pem`);
  const issue = async (
    name: string,
    extensions: string[],
    issuer = "intermediate",
    [from, to] = now,
  ) => {
    await openssl("req", ...request(name, extensions), "-out", `${name}.csr`);
    // deno-fmt-ignore
    await openssl(
      "ca", "-batch", "-notext", "-config", "configuration",
      "-cert", `${issuer}.pem`, "-keyfile", `${issuer}.key`,
      "-startdate", from, "-enddate", to,
      "-in", `${name}.csr`, "-out", `${name}.pem`,
    );
    const pems = [name, issuer].map((name) => Deno.readTextFileSync(`${folder}/${name}.pem`));
    await Deno.writeTextFile(`${folder}/${name}-chain.pem`, pems.join(""));
  };
  const now: Validity = [daysFromNow(-1), daysFromNow(2)];
  await root("ca");
  await root("stranger");
  await issue("intermediate", CA, "ca");
  await issue("good", serverOf(HERE));
  await issue("sina", serverOf("DNS:www.sina.com.cn"));
  await issue("wrong-name", serverOf("DNS:wrong.example"));
  await issue("expired", serverOf(HERE), "intermediate", LONG_AGO);
  await issue("unknown-ca", serverOf(HERE), "stranger");
}

/** What `makeIn` made in a folder. */
async function certificatesIn(folder: string): Promise<Omit<Certificates, keyof AsyncDisposable>> {
  const chain = (name: string, issuer = "intermediate"): Chain => ({
    certificate: `${folder}/${name}-chain.pem`,
    leaf: `${folder}/${name}.pem`,
    rest: `${folder}/${issuer}.pem`,
    key: `${folder}/${name}.key`,
  });
  const { leaf, key } = chain("good");
  return {
    ca: `${folder}/ca.pem`,
    caCerts: [await Deno.readTextFile(`${folder}/ca.pem`)],
    good: chain("good"),
    sina: chain("sina"),
    wrongName: chain("wrong-name"),
    expired: chain("expired"),
    unknownCa: chain("unknown-ca", "stranger"),
    noIntermediate: { certificate: leaf, leaf, key },
  };
}

/** The extensions of a server's certificate: it is no CA's. */
function serverOf(alternativeNames: string): string[] {
  return ["basicConstraints=CA:FALSE", `subjectAltName=${alternativeNames}`];
}

/** The arguments of `openssl req` for a new key and a certificate's request. */
function request(name: string, extensions: string[]): string[] {
  // deno-fmt-ignore
  return [
    "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", `${name}.key`, "-subj", `/CN=${name}`,
    ...extensions.flatMap((extension) => ["-addext", extension]),
  ];
}

/** A time as certificates have it, `YYYYMMDDHHMMSSZ`. */
function daysFromNow(days: number): string {
  const time = new Date(Date.now() + days * 24 * 60 * 60 * 1000);
  return time.toISOString().replace(/[-T:]|\.\d+/g, "");
}

/** Certificates that are made before the tests of a file, and removed after them. */
export function certificatesOfFile(): () => Certificates {
  let made: Certificates | undefined;
  if (find("openssl")) {
    Deno.test.beforeAll(async () => {
      made = await makeCertificates();
    });
    Deno.test.afterAll(async () => {
      await made![Symbol.asyncDispose]();
    });
  }
  return () => made!;
}
