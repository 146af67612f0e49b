import { expect, it } from 'vitest';
import { EXAMPLE_MODELS } from './testing/example-models.js';

it('a threshold that would not be looked at, or is no probability, is refused', async () => {
  const evaluated = (name: keyof typeof EXAMPLE_MODELS, threshold: unknown) =>
    EXAMPLE_MODELS[name]().evaluate(undefined as never, { threshold } as never);
  await expect(evaluated('classifier of two', 0.3)).rejects.toThrow('evaluate: threshold is for rows of many labels');
  await expect(evaluated('classifier of many labels', 2)).rejects.toThrow(
    'evaluate: threshold must be a probability, from 0 to 1, not 2',
  );
});
