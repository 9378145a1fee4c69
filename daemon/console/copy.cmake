# cmake -DFROM=web -DTO=build/web -DSCHEMA=rules.schema.json -P copy.cmake: the sources beside the build. node_modules and dist stay.
foreach(part src public scripts)
  file(REMOVE_RECURSE ${TO}/${part})
  file(COPY ${FROM}/${part} DESTINATION ${TO} PATTERN generated EXCLUDE)
endforeach()
file(COPY ${FROM}/index.html ${FROM}/package.json ${FROM}/tsconfig.json ${FROM}/vite.config.ts DESTINATION ${TO})
set(source src)
file(COPY ${SCHEMA} DESTINATION ${TO}/${source}/generated)
