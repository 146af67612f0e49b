import * as arrow from 'apache-arrow';
import { provideModule } from '../executor/closure/modules.js';

/**
 * A job's code and the engine must see one copy of Apache Arrow: `instanceof` tells a batch of another copy from a batch.
 * (A bundle's `require` would load the CommonJS build beside the ES modules that the engine imports.)
 */
provideModule('apache-arrow', arrow);
