import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { globSync } from 'tinyglobby';

const ARCHIVE = fileURLToPath(new URL('../../../shared/data/motionsense.tar.xz', import.meta.url));

/**
 * The directory whose folders hold MotionSense's CSV files: of the given one, or of the archive beside the project, which is
 * unpacked into `home`; undefined when there is neither.
 * @throws Error when the given directory holds no such files
 */
export function recordingsDirectory(given: string | undefined, home: string): string | undefined {
  if (given) return withRecordings(resolve(given));
  if (!existsSync(ARCHIVE)) return undefined;
  execFileSync('tar', ['xJf', ARCHIVE, '-C', home]);
  return withRecordings(home);
}

function withRecordings(directory: string): string {
  const inner = 'A_DeviceMotion_data';
  for (const folder of ['', inner, join('motionsense', inner)])
    if (globSync('*/sub_*.csv', { cwd: join(directory, folder) }).length > 0) return join(directory, folder);
  throw new Error(`${directory} holds no ${inner}/<activity>_<trial>/sub_<n>.csv`);
}
