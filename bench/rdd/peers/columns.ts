/** The sensor columns of a MotionSense recording, after its column of line numbers. */
export const columns = [
  'attitude.roll',
  'attitude.pitch',
  'attitude.yaw',
  'gravity.x',
  'gravity.y',
  'gravity.z',
  'rotationRate.x',
  'rotationRate.y',
  'rotationRate.z',
  'userAcceleration.x',
  'userAcceleration.y',
  'userAcceleration.z',
];
