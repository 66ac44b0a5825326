export { type DeliveryTools, deliver } from './deliver.js';
export { retryDelayMs } from './retry-delay.js';
export { newSecret, sign } from './sign.js';
