# The package: find_package(formwork) gives formwork::formwork and formwork::cuda.
include(CMakePackageConfigHelpers)

set(formwork_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/formwork)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/formwork DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp")
install(TARGETS formwork formwork_cuda EXPORT formwork-targets)
install(EXPORT formwork-targets NAMESPACE formwork:: DESTINATION ${formwork_package_dir})

# Headers do not depend on the width of a pointer, so the package does not either.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/formwork-config-version.cmake
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/formwork-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/formwork-config.cmake
              ${PROJECT_SOURCE_DIR}/cmake/requirements.cmake
        DESTINATION ${formwork_package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
