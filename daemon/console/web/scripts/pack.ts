// Packs what Vite built for nudged to serve: each file once as gzip and once as brotli, one after the other in one file, and a table of
// them as C++. `tsx pack.ts DIST OUT`
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const [dist, out] = process.argv.slice(2) as [string, string];
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

function* files(folder: string): Generator<string> {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

const bodies: Buffer[] = [];
let at = 0;
const put = (body: Buffer): string => {
  const place = `${at}, ${body.length}`;
  bodies.push(body);
  at += body.length;
  return place;
};
const rows: string[] = [];
for (const path of files(dist)) {
  const type = types[extname(path)];
  if (!type) throw new Error(`${path}: no content type is known for it; add one to scripts/pack.ts`);
  const body = readFileSync(path);
  const name = relative(dist, path);
  const tag = createHash('sha256').update(body).digest('hex').slice(0, 20);
  rows.push(`    {"${name}", "${type}", "\\"${tag}\\"", {${put(gzipSync(body, { level: 9 }))}}, {${put(brotliCompressSync(body))}}},`);
}
writeFileSync(join(out, 'console.pack'), Buffer.concat(bodies));
writeFileSync(
  join(out, 'table.inc'),
  `// Made by scripts/pack.ts.\n${rows.join('\n')}\n`,
);
console.log(`console: ${rows.length} files, ${at} bytes packed`);
