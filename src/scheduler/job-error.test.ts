import { afterEach, expect, it, vi } from 'vitest';
import type { Failure } from '../protocol/failure.js';
import { JobError, userFrames } from './job-error.js';
import { type TaskSet, TaskSetError } from './task-set.js';

afterEach(() => vi.unstubAllEnvs());

const set = { name: 'map at job.ts:3' } as TaskSet;
const stack = `RangeError: too much
    at scale (/home/u/job.ts:4:9)
    at stageLoop (/opt/sheaf/dist/rdd/fuse.js:7:1)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)`;

it('says what failed, where and why, with the frames of the user', () => {
  const failure: Failure = { kind: 'user-error', name: 'RangeError', message: 'too much', stack };
  const error = new JobError('count at job.ts:9', new TaskSetError(failure, set, 2, []));
  expect(error.message).toBe('count at job.ts:9 failed in partition 2 of "map at job.ts:3": RangeError: too much');
  expect(error.stack).toBe(`JobError: ${error.message}\n    at scale (/home/u/job.ts:4:9)`);
  expect(error).toMatchObject({ failure, partition: 2 });
});

it('names no partition when it was none, and no class when it was a plain Error', () => {
  const failure: Failure = { kind: 'cancelled', message: 'enough' };
  expect(new JobError('count', new TaskSetError(failure, set, -1, [])).message).toBe('count failed: enough');
  const plain: Failure = { kind: 'user-error', name: 'Error', message: 'no' };
  expect(new JobError('c', new TaskSetError(plain, set, 0, [])).message).toBe(
    'c failed in partition 0 of "map at job.ts:3": no',
  );
});

it("shows all frames where none is the user's, or when asked", () => {
  const engine = '    at stageLoop (/opt/sheaf/dist/rdd/fuse.js:7:1)';
  expect(userFrames(`x\n${engine}`)).toBe(engine);
  vi.stubEnv('SHEAF_DEBUG', '1');
  expect(userFrames(stack).split('\n')).toHaveLength(3);
});
