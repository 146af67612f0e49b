import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Full data sets are too big for the repository: archives of them lie beside it, or where SHEAF_TEST_DATA says. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const archives = process.env.SHEAF_TEST_DATA ?? join(root, '../shared/data');

/**
 * Whether tests on the full sets are to run: where the archives are, and on CI, where they fail when the archives are
 * missing. Elsewhere such tests are not defined at all; the sample in `data/` covers the same code.
 */
export const fullSetsWanted = existsSync(archives) || process.env.CI === 'true';

/** The folder of an unpacked archive (`NAME.tar.xz`), unpacked on first use. */
export function fullSet(name: string): string {
  const archive = join(archives, `${name}.tar.xz`);
  if (!existsSync(archive)) throw new Error(`${archive} is missing; set SHEAF_TEST_DATA to the folder that holds it`);
  const folder = join(root, 'node_modules/.cache/sheaf-test-data', name);
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const half = mkdtempSync(`${folder}-`);
  execFileSync('tar', ['xJf', archive, '-C', half], { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    renameSync(half, folder);
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // another process was faster
  }
  return folder;
}
