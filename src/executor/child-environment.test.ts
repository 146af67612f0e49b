import { afterEach, expect, it, vi } from 'vitest';
import { childEnvironment } from './child-environment.js';

afterEach(() => vi.unstubAllEnvs());

it('is that of this process but for the secret and the master', () => {
  vi.stubEnv('SHEAF_SECRET', 'hush');
  vi.stubEnv('SHEAF_MASTER', 'redis://:hush@queue');
  vi.stubEnv('SHEAF_DEVICE', 'cpu');
  expect(childEnvironment()).toMatchObject({ PATH: process.env.PATH, SHEAF_DEVICE: 'cpu' });
  expect(JSON.stringify(childEnvironment())).not.toContain('hush');
});
