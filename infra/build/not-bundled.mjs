/** Libraries that cannot be bundled, because they load files from their own folders. Only these are in an image's node_modules. */
export const NOT_BUNDLED = ['@bull-board/ui', 'dejavu-fonts-ttf', 'sharp', 'swagger-ui-dist'];
