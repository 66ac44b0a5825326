export { type DeliveryTools, deliver } from './deliver.js';
export { RETRY_DELAYS_MS, retryDelayMs } from './retry-delay.js';
export { newSecret, sign } from './sign.js';
