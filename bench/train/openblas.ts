import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { globSync } from 'tinyglobby';
import { cacheFolder } from '../common/python.js';

const PACKAGES = ['libopenblas0-pthread', 'libgfortran5', 'libquadmath0'];

/**
 * OpenBLAS for Spark, which has all but the library itself: `$SHEAF_BENCH_OPENBLAS`, or Debian's package, unpacked into the
 * cache by the first run that needs it. `path` is the library, the rest environment variables.
 *
 * Debian's OpenBLAS 0.3.21 takes a processor that it does not know for one of 2004, and then multiplies at a tenth of its
 * speed; so it is told that it has AVX-512. The variables of this process come first.
 * @throws Error when there is neither
 */
export function openBlas(): Readonly<Record<string, string>> {
  const given = process.env.SHEAF_BENCH_OPENBLAS;
  if (given) {
    if (!existsSync(given)) throw new Error(`SHEAF_BENCH_OPENBLAS: there is no ${given}`);
    return { path: given };
  }
  const folder = join(cacheFolder(), 'bench-train', 'openblas');
  const find = () => globSync('**/libopenblas.so.0', { cwd: folder, absolute: true })[0];
  if (!find()) unpack(folder);
  const library = find();
  if (!library) throw new Error(`${PACKAGES[0]} holds no libopenblas.so.0`);
  const folders = globSync('**/*.so.*', { cwd: folder, absolute: true }).map((file) => join(file, '..'));
  const { OPENBLAS_CORETYPE = 'SkylakeX' } = process.env;
  const avx512 = readFileSync('/proc/cpuinfo', 'utf8').includes('avx512f');
  return { path: library, LD_LIBRARY_PATH: [...new Set(folders)].join(':'), ...(avx512 ? { OPENBLAS_CORETYPE } : {}) };
}

function unpack(folder: string): void {
  mkdirSync(folder, { recursive: true });
  console.error(`downloading ${PACKAGES.join(', ')} from Debian into ${folder} (once) …`);
  try {
    execFileSync('apt-get', ['download', ...PACKAGES], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    for (const file of globSync('*.deb', { cwd: folder, absolute: true }))
      execFileSync('dpkg-deb', ['-x', file, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const why = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n')[0] || (error as Error).message;
    throw new Error(`no OpenBLAS: ${why}; name a libopenblas.so by SHEAF_BENCH_OPENBLAS`);
  }
}
