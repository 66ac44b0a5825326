/**
 * How far one job moves its flow forward in the order of service: the profile's step, halved for each level of priority
 * above 0 and doubled for each below, divided by the weight of the caller's key. At least 1, since ranks are whole numbers.
 */
export function rankStep(profileStep: number, priority: number, weight: number): number {
  return Math.max(1, Math.round((profileStep * 2 ** -priority) / weight));
}
