/** Libraries that load files from beside themselves cannot be bundled. Images have only these in node_modules. */
export const NOT_BUNDLED = ['@bull-board/ui', 'dejavu-fonts-ttf', 'sharp', 'swagger-ui-dist'];
