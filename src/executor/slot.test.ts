import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { TaskMessage } from '../protocol/task.js';
import { Slot } from './slot.js';

it('whose process cannot be started loses its message, and nothing else', async () => {
  const root = mkdtempSync(join(tmpdir(), 'slot-'));
  const file = join(root, 'no-directory');
  writeFileSync(file, '');
  const home = { holder: 'e', host: 'h', url: '', token: '', memoryDirectory: root, diskDirectory: root };
  const slot = new Slot(0, 'e', home, file, {});
  const parameters = { id: 'p', scope: 's', bytes: 0, crc32: 0, at: [] };
  const message: TaskMessage = {
    ...{ id: 'm', driver: 'd', executor: 'e', slot: 0, sentAt: 0, program: { module: 'm', parameters } },
    tasks: [{ job: 'j', stage: 0, stageAttempt: 0, partition: 3, attempt: 0, inputs: null }],
  };
  const outcomes = await Promise.all([slot.run(message), slot.run(message)]);
  for (const [outcome] of outcomes)
    expect(outcome).toMatchObject({
      partition: 3,
      failure: { kind: 'executor-lost', message: expect.stringMatching(/slot 0 of e was lost/) },
    });
  await slot.close();
  rmSync(root, { recursive: true });
});
