import { INSTANCE_RULES } from './instance-rules.js';
import type { AlertRule } from './rule.js';
import { SERVICE_RULES } from './service-rules.js';
import { WAITING_RULES } from './waiting-rules.js';

/**
 * The rules of infra/prometheus/rules/alerts.yml that the fleet can judge by itself, those left out that only whoever
 * collects the numbers of all processes can: see docs/operate.md.
 */
export const ALERT_RULES: readonly AlertRule[] = [...WAITING_RULES, ...INSTANCE_RULES, ...SERVICE_RULES];
