
/*
 * Tokens made by another implementation (PyJWT with cryptography), and the
 * public keys they are signed with: the claims are {"sub":"ann","n":1}.
 */


#ifndef REG_TEST_VECTORS_H_INCLUDED
#define REG_TEST_VECTORS_H_INCLUDED


static const struct {
    const char  *alg;
    const char  *jwk;
    const char  *token;
} test_vectors[] = {
    { "RS256",
      "{\"kty\":\"RSA\",\"n\":\"sLQVm69Nz289jfCPGO99UgywTzV62kpqWQFwT0KL"
      "FodAy0jBuy5G7mpFjCo7nxjMAWhK9IQJUBRQangGqciRfGIKwPvixh443D"
      "7LWq5BXA8CORFlItTzG0xxc-yKfEKjVy7gLtCMX8onGCZj5jnlSgPozcbs"
      "dA8MqnOI9VwqxgGvvo7XCEZcuOyQdz58Qgu-KOr-CAkTRSFT-f-6Tst2w8"
      "wUc6jwQnnNZ84LKnW0VkEEmUcIv4pYS6bcgFBC4jgDz6u-yUKhjamL-LP-"
      "w55POvv1sRGmQ3n5N-3ScBo8SxDoDXitCc_pIyFlEEak6G3w1x1KnRJczX"
      "I-lJ7pxwklhQ\",\"e\":\"AQAB\"}",
      "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.EK1VtjOrmrLD8xCDp-JV16pPojCyG72GWe7dR78Aae0Tuj7Nk5gP"
      "sMxP6m4sC5K3m1VngNXKoMsPgf3MQn3gy21v8fONnjmBb9Pm1kz8jkOsBM"
      "3VvWoKpa3OqxUpQ2G25VtchEzzlPJW8Foobz04K4i3qPUaiYPwoEkTniV3"
      "VfH0nl45xeeQirGeo5msBrlH9q3z51EdBccmMoe8lwV2BGV0RA6hW2KLJu"
      "fB9yOZMpg32qCKKa9YTIgckqcQHj51o-MvJM2A63OpZqXcejLRKbkj7lpF"
      "0MKoowBHuMjiOvicQd_sSGZ5FO60VJc-1-s1rr1zYDk3WqzG9ZJ2FJNQnQ" },
    { "RS384",
      "{\"kty\":\"RSA\",\"n\":\"sLQVm69Nz289jfCPGO99UgywTzV62kpqWQFwT0KL"
      "FodAy0jBuy5G7mpFjCo7nxjMAWhK9IQJUBRQangGqciRfGIKwPvixh443D"
      "7LWq5BXA8CORFlItTzG0xxc-yKfEKjVy7gLtCMX8onGCZj5jnlSgPozcbs"
      "dA8MqnOI9VwqxgGvvo7XCEZcuOyQdz58Qgu-KOr-CAkTRSFT-f-6Tst2w8"
      "wUc6jwQnnNZ84LKnW0VkEEmUcIv4pYS6bcgFBC4jgDz6u-yUKhjamL-LP-"
      "w55POvv1sRGmQ3n5N-3ScBo8SxDoDXitCc_pIyFlEEak6G3w1x1KnRJczX"
      "I-lJ7pxwklhQ\",\"e\":\"AQAB\"}",
      "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.Gatm_X3eK4qLBQC3BFPcLlYWf4J0K8s33fJDLdsIU3lcuaqx_0Ue"
      "EM5_zaNGNY3J9hRAfV7lvYwJisHO5CTK2rJC27Lbe5yX2gCyAGrQ9kFMnq"
      "zgqzXld_KRsn2-jbgeNUNaNO_7sy1nVLor6oUtpLbcKgrVYnmoGOJhqMQT"
      "eXyIoQcN28oYk16bGA4dZi9SdXgpYWKf0vn6Yhy717YcqdCJEt8ehY0hMV"
      "nszzTpHjFpQjgnh6UB398HWUQxwzxP40w8qoz58BzRFNhF8pxh5tlFaB6W"
      "2QBxrA423jxM-NlEIcj4VTNGRBy-gZVwosDn10LJaydRtaAJ29uo2Z1QNA" },
    { "RS512",
      "{\"kty\":\"RSA\",\"n\":\"sLQVm69Nz289jfCPGO99UgywTzV62kpqWQFwT0KL"
      "FodAy0jBuy5G7mpFjCo7nxjMAWhK9IQJUBRQangGqciRfGIKwPvixh443D"
      "7LWq5BXA8CORFlItTzG0xxc-yKfEKjVy7gLtCMX8onGCZj5jnlSgPozcbs"
      "dA8MqnOI9VwqxgGvvo7XCEZcuOyQdz58Qgu-KOr-CAkTRSFT-f-6Tst2w8"
      "wUc6jwQnnNZ84LKnW0VkEEmUcIv4pYS6bcgFBC4jgDz6u-yUKhjamL-LP-"
      "w55POvv1sRGmQ3n5N-3ScBo8SxDoDXitCc_pIyFlEEak6G3w1x1KnRJczX"
      "I-lJ7pxwklhQ\",\"e\":\"AQAB\"}",
      "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.Qv1WLYQ2smBva66HdSk8zCnYkuWuq51n1aZ_PBX8-2ZSKUhIxOv4"
      "DhHGeaR5RXBSIs3in8RgODsriRPd4qbqAWRb4w9lyfdBxqyVzOUKRsH9CF"
      "9XJcpReH2j-YUAbV5nQVVZtpjZ67y23E405QPodek7ymPuDHfqBPxdtXH3"
      "Jdueh5iRXHWwJ-Z1kPuBRb9vnCmMZ4wZJBBV_jUzw3eXJ3XnchfLzKPfux"
      "0wssJAX8_RuXKTQU3ZFpG65TRtBwWnMFaKp70oVTya6tZxsofnjHknhSaM"
      "G2xFwjdrvA3ZSakhOj9FLxksgdY9Z3cQApzJgea1AtAMR2SWAYt9IzxhcA" },
    { "PS256",
      "{\"kty\":\"RSA\",\"n\":\"sLQVm69Nz289jfCPGO99UgywTzV62kpqWQFwT0KL"
      "FodAy0jBuy5G7mpFjCo7nxjMAWhK9IQJUBRQangGqciRfGIKwPvixh443D"
      "7LWq5BXA8CORFlItTzG0xxc-yKfEKjVy7gLtCMX8onGCZj5jnlSgPozcbs"
      "dA8MqnOI9VwqxgGvvo7XCEZcuOyQdz58Qgu-KOr-CAkTRSFT-f-6Tst2w8"
      "wUc6jwQnnNZ84LKnW0VkEEmUcIv4pYS6bcgFBC4jgDz6u-yUKhjamL-LP-"
      "w55POvv1sRGmQ3n5N-3ScBo8SxDoDXitCc_pIyFlEEak6G3w1x1KnRJczX"
      "I-lJ7pxwklhQ\",\"e\":\"AQAB\"}",
      "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.CXloTeNIChYngpE-rlzRJ8tmZuai-zX_y2RXDPQvLKkKzCRZ_fhz"
      "zrGetCvhnLarWsGOU8w_klCZLmRElZ7-aup8N-L-9i_rtuVfNA3Xm4YjzC"
      "VfnQ4h-X9Xn4vucQEGRkc0c_sUA-ax4AmfPd9O7t0JWzwsLhOxzo7kRsKY"
      "wUWuNhICZVm6KuhdEL-2fg39wHoFqFgTup14INa5Id27Z2YCrf2rCccmA_"
      "Ldk0D3sq61btRfyuPweYwBkG-HOb0CrtmXEqjw47nLFgBjUTPW3fOMcRsz"
      "hXxDAyBm7YUA12ISP0IFERTS4yhrKyUoycdGwUAZaJi5yz4GuaJfZbJD1Q" },
    { "PS384",
      "{\"kty\":\"RSA\",\"n\":\"sLQVm69Nz289jfCPGO99UgywTzV62kpqWQFwT0KL"
      "FodAy0jBuy5G7mpFjCo7nxjMAWhK9IQJUBRQangGqciRfGIKwPvixh443D"
      "7LWq5BXA8CORFlItTzG0xxc-yKfEKjVy7gLtCMX8onGCZj5jnlSgPozcbs"
      "dA8MqnOI9VwqxgGvvo7XCEZcuOyQdz58Qgu-KOr-CAkTRSFT-f-6Tst2w8"
      "wUc6jwQnnNZ84LKnW0VkEEmUcIv4pYS6bcgFBC4jgDz6u-yUKhjamL-LP-"
      "w55POvv1sRGmQ3n5N-3ScBo8SxDoDXitCc_pIyFlEEak6G3w1x1KnRJczX"
      "I-lJ7pxwklhQ\",\"e\":\"AQAB\"}",
      "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.NgibAqOFjvspqCAVQAF-r_MlF5JlL-1uSLbcIpBhww6_iAyBQeZA"
      "RQKYgSNFAv7ew85GfH3CK-d6_3ynj3AaHu7e8-o3NV9LL6vrJ0qEnQsYsM"
      "Xg2_kGswccS6zPOqLbhZxs-B88O_zRksGSNIIeSVFo1asl8zgBHv-mMV4R"
      "d3HDHIszoImG7oUVmbEAJA36y1DpGmTzL6mYOXl3uu8KbHPbH7A6gsOwXw"
      "r9o5EmCm_Nl0LJ8wzOu9JHtPwN07v2732vVqvSMzSqz2mfxLDD_d0Oq8Xp"
      "n0ev26x5CetJ6H6r-RhWkjHGJfMzSruuWFJFDROIthaofqCOiqDXoR1hjQ" },
    { "PS512",
      "{\"kty\":\"RSA\",\"n\":\"sLQVm69Nz289jfCPGO99UgywTzV62kpqWQFwT0KL"
      "FodAy0jBuy5G7mpFjCo7nxjMAWhK9IQJUBRQangGqciRfGIKwPvixh443D"
      "7LWq5BXA8CORFlItTzG0xxc-yKfEKjVy7gLtCMX8onGCZj5jnlSgPozcbs"
      "dA8MqnOI9VwqxgGvvo7XCEZcuOyQdz58Qgu-KOr-CAkTRSFT-f-6Tst2w8"
      "wUc6jwQnnNZ84LKnW0VkEEmUcIv4pYS6bcgFBC4jgDz6u-yUKhjamL-LP-"
      "w55POvv1sRGmQ3n5N-3ScBo8SxDoDXitCc_pIyFlEEak6G3w1x1KnRJczX"
      "I-lJ7pxwklhQ\",\"e\":\"AQAB\"}",
      "eyJhbGciOiJQUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.mdvICCcTkcob6KMKdzibmwufYw3A7pSmS-ygCAIcAZw0h5gVYXM-"
      "P5Y0q4SxCuIaXtL5OOgp42tLvrTrRElRvEAtvduKgIti0HeAxfRlGnw97w"
      "LWHnJNseuQ7rVxosd8VhDXBu0SiHPlzvoRdsG7lQyEDSQuRnVrnndvoGUX"
      "Ovl1wy1esat4Jyea0YF5jt9LPfymMOugA66m1tdlnrHY8SuLImD92mrsPg"
      "se85xJNL4S8cEzBQYpga9j_5l20Saj74iwyy-mwy352FEcBYoxGUkQ-x4Y"
      "ZUcGYGM9TTtIW4jpl0hseIzQX_SSANmtrLZdzfNondQNwIL2SxJNFL6xgQ" },
    { "ES256",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gJoIKWze_H_owAtbKFL0siEGTjj"
      "vgQ7vCipKSpY6CM0\",\"y\":\"VyOHSfN7tAP6YvS2FXuaMQRkVZSv3t4wz3A"
      "664-ahTc\"}",
      "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.3DiwlvFDyPj1tNWDjaHEX72KlqwLPnIcy0ISj84wa9EwxWezXwD7"
      "dmhKtzEmb6dE-Ai6pl6-i4jFB7WVQpvcZg" },
    { "ES384",
      "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"qeoALb8kZO3Ocoj2rIZ5sI7eVHD"
      "FwecXs-dzLCTLArzkCmyHdLz93gam3mad6EUz\",\"y\":\"MeEi4VX_-3G93G"
      "gr2nl6RIepb9LC7NRglqQfdp9LNSaS88jfRcWx9w7THZoshDD4\"}",
      "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.zfesz5yO3-O8Vdqs2omNWDVbRQlBAOCRYQhED1g5IrA0FEhnXGIR"
      "cxCDnlxxJuxW0pYtgV-aBPBDgC7annrVeLOFNc0-VzmVES3k-QM2XbqOqP"
      "KnpYqZb_4xSmsUcwwR" },
    { "ES512",
      "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"ALcbfNC6OJ4sX4Hpr47IrNdcfCO"
      "fBrKZvC44nvXTwUl0lKO4dHf7REJtg7RAQWMIui366xucP0sTJknQ0DBOl"
      "TvS\",\"y\":\"ARf1t8FCKDwrQPeeZrxMWhsy6gXlIhFcEAjzmPLumP6mo8HD"
      "v8k4DAG7MJEFDeTMN4hPKHsoqD3YZP0Bc3jmRTUU\"}",
      "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.ABE63hIitg5Q9GPiJy_U6fbseoPgNhny2rk5T9yKZSVk39lXYL12"
      "stdNGsd83CFQudSI3LkqZ0-q0MbRRaCpskCDAOfr53zt2d3FtMGxmIGdZ9"
      "WrLeXOJnLrOqP0qMGGXRctfLyKNNLbMmnbFIrqgqguZ4fAEq2zf2Dz0Ruc"
      "76s3f1kq" },
    { "EdDSA",
      "{\"x\":\"eZ_QgyGB5CpDq7o_rU5BTsc-WIpGIiUn3_rO14Q4ffs\",\"kty\":\""
      "OKP\",\"crv\":\"Ed25519\"}",
      "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJuI"
      "joxfQ.fZvUKLNls_2VrVWoq_eYOnaqdyArlB3-1jh5u9H99FpPj5mXXMaQ"
      "2uF6el3nkrmFo1Ns9fm6MH8vBvTzxi9VDw" }
};


#endif /* REG_TEST_VECTORS_H_INCLUDED */
