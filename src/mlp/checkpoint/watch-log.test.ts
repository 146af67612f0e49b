import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { WatchLog } from './watch-log.js';

it('keeps values and the newest best weights, of one plan and measure', async () => {
  const path = mkdtempSync(join(tmpdir(), 'sheaf-watch-log-'));
  try {
    const log = new WatchLog(path, { plan: 'p', monitor: 'logLoss' });
    expect(await log.read()).toBeUndefined();
    await log.write({ values: [3], best: { epoch: 1, theta: Float32Array.of(1, 2) } });
    const later = { values: [3, Number.NaN, 2], best: { epoch: 3, theta: Float32Array.of(3, 4) } };
    await log.write(later);
    expect(await log.read()).toEqual(later);
    expect(readdirSync(path).sort()).toEqual(['best-3.bin', 'watched.json']);
    expect(await new WatchLog(path, { plan: 'q', monitor: 'logLoss' }).read()).toBeUndefined();
    expect(await new WatchLog(path, { plan: 'p', monitor: 'brier' }).read()).toBeUndefined();
    writeFileSync(join(path, 'best-3.bin'), 'cut');
    expect(await log.read()).toBeUndefined();
  } finally {
    rmSync(path, { recursive: true });
  }
});
