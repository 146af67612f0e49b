#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write('sheaf: it is not built yet; run `npm start` (all of the set-up) or `npm run build` first\n');
  process.exitCode = 1;
}
